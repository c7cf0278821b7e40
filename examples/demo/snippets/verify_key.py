import requests

response = requests.get(
    "http://localhost/api/v1/models",
    headers={"Authorization": "Bearer en_xxxxxxxxxxxxxxx"}
)

if response.status_code == 200:
    print("✓ API key is working")
    models = response.json()["data"]
    print(f"Available models: {[m['id'] for m in models]}")
else:
    print(f"✗ Error: {response.status_code}")
    print(response.json())
