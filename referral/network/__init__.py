"""The network as a graph: who can do what, how long the way is, and where to send a patient."""
