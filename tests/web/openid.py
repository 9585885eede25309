"""A real OpenID provider, in a process of its own: Authlib's server parts over plain dictionaries.

It signs whoever asks in at once, as the person in ``PERSON``, an environment variable with the
claims; ``/become`` changes who that is. ``PORT`` is where it listens.
"""

from __future__ import annotations

import json
import os
import time
from types import SimpleNamespace

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749 import grants as flows
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, jsonify, request
from joserfc.jwk import RSAKey

PORT = int(os.environ["PORT"])
ISSUER = f"http://127.0.0.1:{PORT}"
KEY = RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"})
PERSON = json.loads(os.environ["PERSON"])
CODES = {}
os.environ["AUTHLIB_INSECURE_TRANSPORT"] = "1"


class Client(ClientMixin):
    client_id, secret = "signpost", "provider-secret"

    def get_client_id(self):
        return self.client_id

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, uri):
        return uri == os.environ["BACK"]

    def check_client_secret(self, secret):
        return secret == self.secret

    def check_endpoint_auth_method(self, method, endpoint):
        return method == "client_secret_basic"

    def check_response_type(self, kind):
        return kind == "code"

    def check_grant_type(self, kind):
        return kind == "authorization_code"


class Code(SimpleNamespace):
    def get_redirect_uri(self):
        return self.redirect_uri

    def get_scope(self):
        return self.scope

    def get_nonce(self):
        return self.nonce

    def get_auth_time(self):
        return None

    def get_acr(self):
        return None

    def get_amr(self):
        return None


class CodeFlow(flows.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ("client_secret_basic",)

    def save_authorization_code(self, code, request):
        data = request.payload.data
        CODES[code] = Code(
            code=code, client_id="signpost", redirect_uri=data.get("redirect_uri"),
            scope=request.payload.scope, nonce=data.get("nonce"),
            code_challenge=data.get("code_challenge"),
            code_challenge_method=data.get("code_challenge_method"),
        )  # fmt: skip

    def query_authorization_code(self, code, client):
        return CODES.get(code)

    def delete_authorization_code(self, authorization_code):
        CODES.pop(authorization_code.code, None)

    def authenticate_user(self, authorization_code):
        return SimpleNamespace(get_user_id=lambda: PERSON["sub"])


class IdToken(OpenIDCode):
    def exists_nonce(self, nonce, request):
        return False

    def resolve_client_private_key(self, client):
        return KEY

    def get_client_algorithm(self, client):
        return "RS256"

    def get_client_claims(self, client):
        return {"iss": ISSUER, "exp": int(time.time()) + 600}

    def generate_user_info(self, user, scope):
        return UserInfo(PERSON)


app = Flask(__name__)
server = AuthorizationServer(app, query_client=lambda name: Client() if name == "signpost" else None,
                             save_token=lambda token, request: None)  # fmt: skip
server.register_grant(CodeFlow, [IdToken(require_nonce=True), CodeChallenge(required=True)])


@app.get("/.well-known/openid-configuration")
def configuration():
    return jsonify(
        issuer=ISSUER, authorization_endpoint=f"{ISSUER}/authorize", token_endpoint=f"{ISSUER}/token",
        jwks_uri=f"{ISSUER}/keys", response_types_supported=["code"],
        subject_types_supported=["public"], id_token_signing_alg_values_supported=["RS256"],
    )  # fmt: skip


@app.get("/keys")
def keys():
    return jsonify(keys=[KEY.as_dict(private=False)])


@app.get("/authorize")
def authorize():
    user = SimpleNamespace(get_user_id=lambda: PERSON["sub"])
    grant = server.get_consent_grant(end_user=user)
    return server.create_authorization_response(grant_user=user, grant=grant)


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/become")
def become():
    PERSON.clear()
    PERSON.update(request.get_json())
    return "", 204


app.run("127.0.0.1", PORT, threaded=True)
