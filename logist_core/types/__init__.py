"""The records that cross module and plugin borders: frozen dataclasses and enums, standard library only."""
