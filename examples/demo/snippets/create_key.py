import requests

response = requests.post(
    "http://localhost/api-internal/v1/api-keys",
    headers={
        "Authorization": "Bearer YOUR_JWT_TOKEN"
    },
    json={
        "name": "Production App",
        "description": "API key for production application",
        "allowed_models": ["gpt-4", "gpt-3.5-turbo"],
        "daily_spend_limit": 50.00,
        "monthly_spend_limit": 1500.00,
        "daily_token_limit": 500000
    }
)

api_key = response.json()["api_key"]
print(f"Your API key: {api_key}")
