response = requests.post(
    "http://localhost/api/v1/chat/completions",
    headers={"Authorization": "Bearer en_xxxxxxxxxxxxxxx"},
    json={
        "model": "gpt-4",
        "messages": [{"role": "user", "content": "Test"}]
    }
)

print(response.json()["choices"][0]["message"]["content"])
