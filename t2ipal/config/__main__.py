"""Print the JSON schema of config.yaml."""

import json

from t2ipal.config.json_schema import json_schema

print(json.dumps(json_schema(), indent=2))
