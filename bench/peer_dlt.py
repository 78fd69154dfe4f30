"""dlt reading the stub into a database; run by an interpreter that has it.

Arguments: the stub's url, the database's url, a folder, and a file to write what it took to.
Imports are left out of that, as for all clients.
"""

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

warnings.simplefilter("ignore")

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402


def load(url: str, database: str, folder: str) -> int:
    """Into a data set of its own; returns how many deals it then has."""
    source = rest_api_source(
        {
            "client": {
                "base_url": url,
                "auth": {"type": "bearer", "token": "bench-token"},
                "paginator": {
                    "type": "cursor",
                    "cursor_path": "paging.next.after",
                    "cursor_param": "after",
                },
            },
            "resources": [
                {
                    "name": "deals",
                    "primary_key": "id",
                    "write_disposition": "merge",
                    "endpoint": {
                        "path": "crm/v3/objects/deals",
                        "params": {"limit": 100, "properties": "dealname,amount"},
                        "data_selector": "results",
                    },
                }
            ],
        }
    )
    sqlite = database.startswith("sqlite")
    pipeline = dlt.pipeline(
        "bench",
        destination=dlt.destinations.sqlalchemy(database) if sqlite else postgres(database),
        dataset_name="main" if sqlite else "bench",
        pipelines_dir=folder,
    )
    pipeline.run(source)
    with pipeline.sql_client() as client:
        ((count,),) = client.execute_sql("SELECT count(*) FROM deals")
    return int(count)


def postgres(url: str) -> Any:
    """It wants a host and a password, also where the query names a socket that asks for neither."""
    return dlt.destinations.postgres(
        urlsplit(url)._replace(netloc=f"{urlsplit(url).username}:none@localhost").geturl()
    )


def peak_mb() -> float:
    """Of this process alone."""
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(peak) / 1024


if __name__ == "__main__":
    url, database, folder, told = sys.argv[1:]
    wall, cpu = time.perf_counter(), time.process_time()
    count = load(url, database, folder)
    took = [time.perf_counter() - wall, time.process_time() - cpu, peak_mb(), {"deals": count}]
    Path(told).write_text(json.dumps(took))
