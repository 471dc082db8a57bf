"""Data sets: `load_search_data` for a search, `load_final_data` for the final word on a chosen network."""

from ressearch.data.parts import Part, SearchData
from ressearch.data.sources import BUNDLED, UNDERSTOOD, load_final_data, load_search_data, load_test_data

__all__ = ["BUNDLED", "UNDERSTOOD", "Part", "SearchData", "load_final_data", "load_search_data", "load_test_data"]
