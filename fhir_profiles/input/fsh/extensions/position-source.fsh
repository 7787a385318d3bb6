Extension: PositionSourceExtension
Id: position-source
Title: "Position source"
Description: "How the position is known, such as `surveyed`."
Context: Location
* value[x] 1..1
* value[x] only string
