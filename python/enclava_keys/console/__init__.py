"""The API Keys page and the HTTP calls behind it, as an ASGI app to mount in a gateway.

```python
app = Starlette(routes=[..., Mount("/", Console(gate, jwt_secret=os.environ["ENCLAVA_JWT_SECRET"]))])
```

It serves the page at `console/`, the calls at `api-internal/v1/api-keys` and their description at
`api-internal/v1/openapi.json`, all below the path where it is mounted. Needs the extra `[console]`.
"""

from enclava_keys._extras import needed_for

with needed_for("console", "starlette", "jwt"):
    from enclava_keys.console.app import Console
    from enclava_keys.console.tokens import admin_token

__all__ = ["Console", "admin_token"]
