"""Nobody gets into the console without a valid admin token."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from console_server import JWT_SECRET, KEYS, calling
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from enclava_keys import InvalidValue
from enclava_keys.console import Console, admin_token

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from enclava_keys import Gate, NewKey

REFUSAL = {
    "error": {"code": "unauthorized", "message": "a valid admin token is required", "faults": []},
}


@pytest.fixture(scope="session")
def rsa() -> RSAPrivateKey:
    return generate_private_key(65537, 2048)


@pytest.fixture
def client(gate: Gate) -> Iterator[httpx.Client]:
    with calling(Console(gate, jwt_secret=JWT_SECRET)) as client:
        del client.headers["Authorization"]
        yield client


def signed(claims: dict[str, Any], secret: str = JWT_SECRET, algorithm: str = "HS256") -> str:
    return jwt.encode(claims, secret, algorithm=algorithm)


def public_pem(key: RSAPrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def private_pem(key: RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def by_hand(header: dict[str, Any] | str, claims: dict[str, Any], secret: str) -> str:
    """Sign what no library would."""

    def part(content: dict[str, Any] | str) -> str:
        text = content if isinstance(content, str) else json.dumps(content)
        return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()

    text = f"{part(header)}.{part(claims)}"
    mac = hmac.digest(secret.encode(), text.encode(), "sha256")
    return f"{text}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


def unsigned(claims: dict[str, Any]) -> str:
    return by_hand({"alg": "none", "typ": "JWT"}, claims, "").rpartition(".")[0] + "."


def test_a_token_lets_in_until_it_expires(client: httpx.Client) -> None:
    for scheme in ("Bearer", "bearer"):
        headers = {"Authorization": f"{scheme} {admin_token(JWT_SECRET)}"}
        assert client.get(KEYS, headers=headers).status_code == 200
    expired = admin_token(JWT_SECRET, seconds=-1)
    assert client.get(KEYS, headers={"Authorization": f"Bearer {expired}"}).json() == REFUSAL


def test_forged_tokens_are_refused_with_one_answer(client: httpx.Client) -> None:
    now = int(time.time())
    good = {"sub": "admin", "exp": now + 60}
    valid = signed(good)
    header, claims, signature = valid.split(".")
    tokens = {
        "none": unsigned(good),
        "None": by_hand({"alg": "None", "typ": "JWT"}, good, ""),
        "none but signed": by_hand({"alg": "none"}, good, JWT_SECRET),
        "no algorithm": by_hand({"typ": "JWT"}, good, JWT_SECRET),
        "critical extension": by_hand({"alg": "HS256", "crit": ["x"], "x": 1}, good, JWT_SECRET),
        "no expiry": signed({"sub": "admin"}),
        "null expiry": signed({"sub": "admin", "exp": None}),
        "expiry in words": signed({"exp": "never"}),
        "expiry without end": by_hand({"alg": "HS256"}, {"exp": float("inf")}, JWT_SECRET),
        "expired": signed({"exp": now - 1}),
        "not yet": signed({**good, "nbf": now + 60}),
        "for another audience": signed({**good, "aud": "elsewhere"}),
        "wrong key": signed(good, "x" * 32),
        "signature cut off": f"{header}.{claims}.",
        "signature cut short": valid[:-4],
        "claims changed": f"{header}.{by_hand({}, {**good, 'sub': 'x'}, '').split('.')[1]}.{signature}",
        "deep header": by_hand("[" * 4000, good, JWT_SECRET),
        "not an object": by_hand({"alg": "HS256"}, "[]", JWT_SECRET),  # type: ignore[arg-type]
        "long": valid + "A" * 9000,
        "words": "admin",
        "dots": "..",
    }
    assert client.get(KEYS, headers={"Authorization": f"Bearer {valid}"}).status_code == 200
    for what, token in tokens.items():
        answer = client.get(KEYS, headers={"Authorization": f"Bearer {token}"})
        assert (what, answer.status_code, answer.json()) == (what, 401, REFUSAL)
        assert answer.headers["www-authenticate"] == 'Bearer realm="API Keys"'


def test_every_call_asks_for_a_token(client: httpx.Client, made: NewKey, gate: Gate) -> None:
    key = f"{KEYS}/{made.key.id}"
    calls = [("GET", KEYS), ("HEAD", KEYS), ("POST", KEYS), ("GET", key), ("PATCH", key), ("DELETE", key)]
    calls += [("POST", f"{key}/{verb}") for verb in ("rotate", "disable", "enable", "revoke")]
    calls += [("GET", f"{key}/usage"), ("GET", f"{KEYS}/nobody"), ("GET", f"{KEYS}?limit=0")]
    for method, path in calls:
        for headers in ({}, {"Authorization": f"Basic {admin_token(JWT_SECRET)}"}, {"X-API-Key": JWT_SECRET}):
            assert client.request(method, path, headers=headers, content=b"{").status_code == 401
    two = [("Authorization", f"Bearer {admin_token(JWT_SECRET)}"), ("Authorization", "Bearer x")]
    assert client.get(KEYS, headers=two).status_code == 401
    assert client.get(KEYS, params={"token": admin_token(JWT_SECRET)}).status_code == 401
    assert gate.key(made.key.id) == made.key
    assert client.get("/api-internal/v1/openapi.json").status_code == 200


def test_a_public_key_is_no_shared_secret(gate: Gate, rsa: RSAPrivateKey) -> None:
    claims = {"exp": int(time.time()) + 60}
    app = Console(gate, jwt_secret=public_pem(rsa), algorithms=["RS256"])
    with calling(app, token=admin_token(private_pem(rsa), algorithm="RS256")) as client:
        assert client.get(KEYS).status_code == 200
        confused = by_hand({"alg": "HS256", "typ": "JWT"}, claims, public_pem(rsa))
        other = signed(claims, private_pem(generate_private_key(65537, 2048)), "RS256")
        for token in (confused, unsigned(claims), other):
            assert client.get(KEYS, headers={"Authorization": f"Bearer {token}"}).json() == REFUSAL
    for secret, algorithms in [(public_pem(rsa), ["HS256"]), (JWT_SECRET, ["RS256"])]:
        with pytest.raises(InvalidValue, match="jwt_secret: must be"):
            Console(gate, jwt_secret=secret, algorithms=algorithms)


def test_algorithms_are_pinned(gate: Gate) -> None:
    secret = JWT_SECRET * 2
    with calling(Console(gate, jwt_secret=secret, algorithms=["HS512"])) as client:
        for status, algorithm in [(200, "HS512"), (401, "HS384"), (401, "HS256")]:
            token = admin_token(secret, algorithm=algorithm)
            assert client.get(KEYS, headers={"Authorization": f"Bearer {token}"}).status_code == status


def test_what_could_keep_nobody_out_is_refused(gate: Gate) -> None:
    for secret in ("", "secret", "x" * 31, b"x" * 31):
        with pytest.raises(InvalidValue, match="jwt_secret: must be at least 32 bytes"):
            Console(gate, jwt_secret=secret)
        with pytest.raises(InvalidValue, match="jwt_secret"):
            admin_token(secret)
    with pytest.raises(InvalidValue, match="at least 64 bytes of randomness for HS512"):
        Console(gate, jwt_secret=JWT_SECRET, algorithms=["HS256", "HS512"])
    for algorithms in ([], ["none"], ["HS256", "none"], ["HS256", "RS256"], ["hs256"], "HS256"):
        with pytest.raises(InvalidValue, match="algorithms"):
            Console(gate, jwt_secret=JWT_SECRET, algorithms=algorithms)


def test_tokens_of_others_are_told_apart(gate: Gate) -> None:
    app = Console(
        gate,
        jwt_secret=JWT_SECRET,
        audience="console",
        issuer="sign-in",
        claims={"role": "admin", "level": 1},
    )
    whole: dict[str, Any] = {"aud": "console", "iss": "sign-in", "role": "admin", "level": 1}
    with calling(app, token=admin_token(JWT_SECRET, claims=whole)) as client:
        assert client.get(KEYS).status_code == 200
        changes: list[tuple[int, dict[str, Any]]] = [
            (401, {"aud": "chat"}),
            (401, {"aud": None}),
            (401, {"iss": "elsewhere"}),
            (403, {"role": "member"}),
            (403, {"role": ["admin"]}),
            (403, {"level": True}),
        ]
        for status, change in changes:
            token = admin_token(JWT_SECRET, claims=whole | change)
            answer = client.get(KEYS, headers={"Authorization": f"Bearer {token}"})
            assert (change, answer.status_code) == (change, status)
