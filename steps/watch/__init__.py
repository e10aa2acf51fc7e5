"""WHAT SHOULD BE HERE AND IS NOT: judged, reported, told to the world outside. Parts of the sweep."""
