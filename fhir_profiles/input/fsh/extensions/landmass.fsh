Extension: LandmassExtension
Id: landmass
Title: "Landmass"
Description: "`mainland`, which is also meant when it is absent, or an island. No road leads from one landmass to another."
Context: Location
* value[x] 1..1
* value[x] only code
