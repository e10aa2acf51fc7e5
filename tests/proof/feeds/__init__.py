"""The feed of the proof."""
