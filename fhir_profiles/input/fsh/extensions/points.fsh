Extension: PointsExtension
Id: points
Title: "Points"
Description: "The points of the facility in its classification."
Context: Organization
* value[x] 1..1
* value[x] only integer
