"""dlt reading the stub into SQLite; run by an interpreter that has it: url, database, folder."""

import json
import sys
import warnings

warnings.simplefilter("ignore")

import dlt  # noqa: E402
from dlt.sources.rest_api import rest_api_source  # noqa: E402

url, database, folder = sys.argv[1:]
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
destination = dlt.destinations.sqlalchemy(f"sqlite:///{database}")
pipeline = dlt.pipeline("bench", destination=destination, dataset_name="main", pipelines_dir=folder)
pipeline.run(source)
with pipeline.sql_client() as client:
    ((count,),) = client.execute_sql("SELECT count(*) FROM deals")
sys.stdout.write(json.dumps({"deals": count}) + "\n")
