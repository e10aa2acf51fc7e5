"""WHAT THERE IS: one file a feed, written in the words of `catalog/`; `partners/` holds one adapter a partner."""
