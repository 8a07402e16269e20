"""Import: takes people from a file of any form, row by row, so that one bad row costs nobody else their place.

`running.py` tells the story: `files` opens (`rows`, `spreadsheets`), `columns` understands (`services`), `people` reads
a row (`addresses`), `loading` thinks a batch through and writes it (`standing`, `stores`). Who left a list, or must
never be mailed, is refused and stays out. A file can be imported again at any time: what is there already is unchanged.
"""

from newsletter.audience.importing.outcomes import ImportCounts, Imported, ImportOrder, Outcome, RowOutcome
from newsletter.audience.importing.running import Import, import_file, try_import

__all__ = ["Import", "ImportCounts", "ImportOrder", "Imported", "Outcome", "RowOutcome", "import_file", "try_import"]
