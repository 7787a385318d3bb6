"""Minutes between places: links first, estimates on one landmass, crossings between."""

import math

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from referral.domain.facility import Facility, Link
from referral.domain.policy_rules import TravelSettings
from referral.network.places import Places
from referral.network.travel import Journey, Ways
from tests.network.towns import link, town

STEP = 0.1 * math.pi / 180 * 6371.0088 * 1.4 / 40 * 60
"""Minutes of estimated road between two neighbours of the coast (about 23)."""


def journey(origin: str, towns: list[Facility], *links: Link) -> tuple[Journey, dict[str, int]]:
    places = Places(towns)
    ways = Ways(places, links, TravelSettings())
    return Journey(ways, places.number[towns[0].id.__class__(origin)]), {
        str(key): value for key, value in places.number.items()
    }


def test_a_road_that_nobody_measured_is_estimated_from_the_great_circle() -> None:
    made, at = journey("a", [town("a", 0), town("b", 1)])
    assert made.minutes(at["b"]) == pytest.approx(STEP)
    assert made.route(at["b"]) == "by road, estimated"


def test_a_known_distance_comes_out() -> None:
    """Paris to London is 343.5 km on the sphere."""
    places = Places(
        [
            Facility(town("p", 0).id, "P", 48.8566, 2.3522),
            Facility(town("l", 0).id, "L", 51.5074, -0.1278),
        ]
    )
    assert places.km(0, 1) == pytest.approx(343.56, abs=0.1)


@pytest.mark.parametrize("minutes", ["5", "300"])
def test_a_link_for_the_very_pair_wins_be_it_shorter_or_longer(minutes: str) -> None:
    made, at = journey("a", [town("a", 0), town("b", 1)], link("a", "b", minutes))
    assert made.minutes(at["b"]) == float(minutes)
    assert made.route(at["b"]) == "by road, measured"


def test_of_two_links_for_a_pair_the_faster_counts() -> None:
    made, at = journey("a", [town("a", 0), town("b", 1)], link("a", "b", "30"), link("a", "b", "20", "ferry"))
    assert (made.minutes(at["b"]), made.route(at["b"])) == (20.0, "by ferry")


def test_a_one_way_link_leads_one_way() -> None:
    towns = [town("a", 0), town("b", 1, "isle")]
    ferry = link("a", "b", "30", "ferry", both_ways=False)
    there, at = journey("a", towns, ferry)
    back, _ = journey("b", towns, ferry)
    assert (there.minutes(at["b"]), back.minutes(at["a"])) == (30.0, None)


def test_an_island_without_a_link_is_not_reached() -> None:
    made, at = journey("a", [town("a", 0), town("isle", 1, "isle"), town("b", 2)], link("a", "b", "9"))
    assert made.minutes(at["isle"]) is None
    assert made.legs(at["isle"]) == ()


def test_a_chain_of_links_counts_where_it_is_faster() -> None:
    towns = [town("a", 0), town("b", 1), town("c", 2)]
    fast, at = journey("a", towns, link("a", "b", "5"), link("b", "c", "6"))
    slow, _ = journey("a", towns, link("a", "b", "50"), link("b", "c", "60"))
    assert fast.minutes(at["c"]) == 11.0
    assert fast.route(at["c"]) == "road 5 min to B, then road 6 min to C"
    assert slow.minutes(at["c"]) == pytest.approx(2 * STEP)


def test_of_two_chains_as_long_the_one_whose_first_part_is_shorter_is_told() -> None:
    towns = [town("a", 0), town("b", 1), town("c", 2), town("d", 9)]
    ends = (link("a", "b", "6"), link("a", "c", "5"), link("b", "d", "5"), link("c", "d", "6"))
    made, at = journey("a", towns, *ends)
    assert made.route(at["d"]) == "road 5 min to C, then road 6 min to D"
    ends = (link("a", "b", "5"), link("a", "c", "5"), link("c", "d", "6"), link("b", "d", "6"))
    made, at = journey("a", towns, *ends)
    assert made.route(at["d"]) == "road 5 min to B, then road 6 min to D"


def test_estimates_are_not_chained_around_a_slow_measured_road() -> None:
    made, at = journey("a", [town("a", 0), town("b", 1), town("c", 2)], link("a", "c", "300"))
    assert made.minutes(at["c"]) == 300.0


def test_from_an_island_by_ferry_then_by_road() -> None:
    towns = [town("clinic", 0, "isle"), town("pier", 1, "isle"), town("port", 4), town("city", 5)]
    made, at = journey("clinic", towns, link("pier", "port", "90", "ferry"))
    assert made.minutes(at["city"]) == pytest.approx(90 + 2 * STEP)
    assert made.route(at["city"]) == (
        "road (estimated) 23 min to Pier, ferry 90 min to Port, then road (estimated) 23 min to City"
    )
    assert made.minutes(at["port"]) == pytest.approx(90 + STEP)
    assert made.route(at["pier"]) == "by road, estimated"


def test_over_two_islands_with_a_road_between_the_piers() -> None:
    towns = [
        town("clinic", 0, "isle"),
        town("south", 3),
        town("north", 4),
        town("rock", 6, "rock"),
    ]
    made, at = journey(
        "clinic", towns, link("clinic", "south", "40", "ferry"), link("north", "rock", "50", "ferry")
    )
    assert made.minutes(at["rock"]) == pytest.approx(90 + STEP)
    assert [leg.kind for leg in made.legs(at["rock"])] == ["ferry", "estimate", "ferry"]


def test_a_ferry_across_a_bay_shortens_the_way_on_one_landmass() -> None:
    towns = [town("a", 0), town("quay", 1), town("pier", 9), town("city", 10)]
    made, at = journey("a", towns, link("quay", "pier", "20", "ferry"))
    assert made.minutes(at["city"]) == pytest.approx(20 + 2 * STEP)


@pytest.mark.parametrize(("quay", "pier"), [(1, 4), (1, 7), (2, 9), (3, 8)])
def test_a_port_by_the_road_is_no_detour(quay: int, pier: int) -> None:
    """The parts of a road to two ports in a line may sum to a last bit less than the whole."""
    towns = [town("a", 0), town("quay", quay), town("pier", pier), town("city", 12), town("rock", 5, "rock")]
    ferries = (link("quay", "rock", "600", "ferry"), link("rock", "pier", "600", "ferry"))
    made, at = journey("a", towns, *ferries)
    for target in ("quay", "pier", "city"):
        assert made.route(at[target]) == "by road, estimated"


def test_a_bridge_is_a_crossing_too() -> None:
    towns = [town("clinic", 0, "isle"), town("head", 1), town("city", 2)]
    made, at = journey("clinic", towns, link("clinic", "head", "10"))
    assert made.minutes(at["city"]) == pytest.approx(10 + STEP)


def test_a_measured_road_from_the_port_is_not_undercut() -> None:
    towns = [town("clinic", 0, "isle"), town("port", 1), town("city", 2)]
    made, at = journey("clinic", towns, link("clinic", "port", "10", "ferry"), link("port", "city", "70"))
    assert made.minutes(at["city"]) == 80.0


def test_a_measured_road_to_the_quay_is_not_undercut() -> None:
    towns = [town("clinic", 0), town("quay", 1), town("isle", 2, "isle")]
    made, at = journey("clinic", towns, link("clinic", "quay", "70"), link("quay", "isle", "10", "ferry"))
    assert made.minutes(at["isle"]) == 80.0


LINKS = st.lists(
    st.tuples(
        st.integers(0, 6),
        st.integers(0, 6),
        st.integers(1, 200),
        st.sampled_from(["road", "ferry"]),
        st.booleans(),
    ).filter(lambda row: row[0] != row[1]),
    max_size=8,
)
TOWNS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30), st.sampled_from(["mainland", "isle"])),
    min_size=7,
    max_size=7,
)


@given(TOWNS, LINKS)
def test_it_is_the_shortest_way_in_the_graph_of_all_allowed_roads(
    rows: list[tuple[int, int, str]], raw: list[tuple[int, int, int, str, bool]]
) -> None:
    towns = [town(f"t{i}", north, land, east=east) for i, (north, east, land) in enumerate(rows)]
    links = [link(f"t{a}", f"t{b}", str(m), kind, both_ways=both) for a, b, m, kind, both in raw]
    made, at = journey("t0", towns, *links)
    for target in range(1, 7):
        expected = plain_search(towns, links, "t0", f"t{target}")
        minutes = made.minutes(at[f"t{target}"])
        assert minutes == (None if expected is None else pytest.approx(expected))
        if minutes is not None:
            assert sum(leg.minutes for leg in made.legs(at[f"t{target}"])) == pytest.approx(minutes)


def plain_search(towns: list[Facility], links: list[Link], origin: str, target: str) -> float | None:
    """The rules written out for one pair on a graph with every allowed edge."""
    land = {str(place.id): place.landmass for place in towns}
    places = Places(towns)
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(land)
    leaves, arrives = {origin}, {target}
    for each in links:
        ends = [(str(each.origin), str(each.destination))]
        for start, end in ends + [pair[::-1] for pair in ends if each.both_ways]:
            known = graph.get_edge_data(start, end, {"weight": math.inf})["weight"]
            graph.add_edge(start, end, weight=min(known, float(each.minutes)))
            if each.kind == "ferry" or land[start] != land[end]:
                arrives.add(start)
                leaves.add(end)
    if graph.has_edge(origin, target):
        return float(graph.edges[origin, target]["weight"])
    for start in leaves:
        for end in arrives:
            if start != end and land[start] == land[end] and not graph.has_edge(start, end):
                numbers = {str(key): value for key, value in places.number.items()}
                graph.add_edge(start, end, weight=places.km(numbers[start], numbers[end]) * 1.4 / 40 * 60)
    try:
        return float(nx.dijkstra_path_length(graph, origin, target))
    except nx.NetworkXNoPath:
        return None
