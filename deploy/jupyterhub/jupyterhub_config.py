"""JupyterHub for Sallyport: people log in at the organisation's provider, each gets a server whose kernels are jailed.

Read by `jupyterhub -f`. Everything that differs between organisations is in the environment:

SALLYPORT_GATEWAY             the gateway, as servers of people reach it inside of the cluster
SALLYPORT_OIDC_ISSUER         the issuer that the gateway trusts; the hub's client is registered there
SALLYPORT_HUB_CLIENT_ID       that client; its ID tokens must have the audience that the gateway takes
SALLYPORT_HUB_CLIENT_SECRET_FILE   its secret, in a file; none for a public client
SALLYPORT_HUB_URL             the hub, as browsers reach it
SALLYPORT_OIDC_CLAIMS_FILE    the gateway's own mapping: whoever is in none of its groups does not get in
SALLYPORT_OIDC_SCOPES         as the gateway asks for them
JUPYTERHUB_CRYPT_KEY          32 bytes in hexadecimal, by which the hub encrypts the tokens it keeps
"""

import base64
import json
import os
import time
import urllib.request
from pathlib import Path

import yaml

given = os.environ
c = get_config()  # noqa: F821 - the hub's

issuer = given["SALLYPORT_OIDC_ISSUER"].rstrip("/")
with urllib.request.urlopen(f"{issuer}/.well-known/openid-configuration", timeout=20) as answer:  # noqa: S310 - set by the operator
    found = json.load(answer)
if found["issuer"].rstrip("/") != issuer:
    raise SystemExit("The discovery document is another issuer's.")
mapping = yaml.safe_load(Path(given["SALLYPORT_OIDC_CLAIMS_FILE"]).read_text("utf-8"))
claims = mapping.get("claims", {})

# Who gets in: people of the groups that the gateway knows, by the claim that it knows them by.
c.JupyterHub.authenticator_class = "generic-oauth"
c.GenericOAuthenticator.client_id = given["SALLYPORT_HUB_CLIENT_ID"]
if secret := given.get("SALLYPORT_HUB_CLIENT_SECRET_FILE"):
    c.GenericOAuthenticator.client_secret = Path(secret).read_text("utf-8").strip()
else:
    c.GenericOAuthenticator.basic_auth = False
c.GenericOAuthenticator.authorize_url = found["authorization_endpoint"]
c.GenericOAuthenticator.token_url = found["token_endpoint"]
c.GenericOAuthenticator.userdata_from_id_token = True
c.GenericOAuthenticator.enable_pkce = True
c.GenericOAuthenticator.scope = given.get("SALLYPORT_OIDC_SCOPES", "openid profile groups").split()
c.GenericOAuthenticator.username_claim = claims.get("id", "sub")
c.GenericOAuthenticator.oauth_callback_url = f"{given['SALLYPORT_HUB_URL'].rstrip('/')}/hub/oauth_callback"
c.GenericOAuthenticator.manage_groups = True
c.GenericOAuthenticator.auth_state_groups_key = f"oauth_user.{claims.get('groups', 'groups')}"
c.GenericOAuthenticator.allowed_groups = set(mapping.get("groups", {}))
c.GenericOAuthenticator.auto_login = True

# The person's token is kept encrypted, renewed, and shown to that person's server alone.
c.GenericOAuthenticator.enable_auth_state = True
c.GenericOAuthenticator.auth_refresh_age = 120
c.GenericOAuthenticator.refresh_pre_spawn = True


async def renewed(authenticator, user, auth_state):
    """The login as it is now: renewed near its end where the provider does that; False once it has ended."""
    kept = (auth_state or {}).get("token_response") or {}
    left = _seconds_left(kept.get("id_token", ""))
    if left > RENEW_BEFORE_SECONDS:
        return True
    refresh = (auth_state or {}).get("refresh_token")
    if refresh:
        try:
            given_now = await authenticator.get_token_info(None, authenticator.build_refresh_token_request_params(refresh))
            if given_now.get("id_token"):
                # As OAuthenticator does it itself; left alone it would look at the old ID token, which never fails.
                return await authenticator._token_to_auth_model({"refresh_token": refresh, **given_now})
        except Exception as error:
            authenticator.log.warning("a login could not be renewed: %s", type(error).__name__)
    return left > 0


def _seconds_left(token):
    try:
        payload = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"] - time.time()
    except (IndexError, ValueError, KeyError, TypeError):
        return 0


RENEW_BEFORE_SECONDS = 300
c.GenericOAuthenticator.refresh_user_hook = renewed
# A server may do what its person may, so both are allowed to see that person's own token.
c.JupyterHub.load_roles = [
    {"name": "user", "scopes": ["self", "admin:auth_state!user"]},
    {"name": "server", "scopes": ["users:activity!user", "access:servers!server", "read:users!user", "admin:auth_state!user"]},
]

c.JupyterHub.bind_url = given.get("SALLYPORT_HUB_BIND", "http://:8000")
c.JupyterHub.hub_ip = given.get("SALLYPORT_HUB_IP", "0.0.0.0")  # noqa: S104 - pods ask it; network policy says who may
c.JupyterHub.cookie_max_age_days = 0.5
c.JupyterHub.allow_named_servers = False
c.JupyterHub.admin_access = False  # nobody opens another person's server

c.Spawner.cmd = ["sallyport", "notebook-server"]
c.Spawner.default_url = "/lab"
c.Spawner.environment = {"SALLYPORT_GATEWAY": given["SALLYPORT_GATEWAY"]}
c.Spawner.start_timeout = 300
c.Spawner.http_timeout = 120

c.JupyterHub.spawner_class = given.get("SALLYPORT_HUB_SPAWNER", "kubespawner.KubeSpawner")
if c.JupyterHub.spawner_class == "kubespawner.KubeSpawner":
    k = c.KubeSpawner
    k.image = given["SALLYPORT_IMAGE"]
    k.namespace = given.get("SALLYPORT_HUB_NAMESPACE", "sallyport-notebooks")
    # The chart's network policy lets this zone reach the gateway and nothing else.
    k.extra_labels = {"sallyport.io/zone": "sandbox"}
    k.automount_service_account_token = False
    k.enable_user_namespaces = False
    k.uid, k.gid, k.fs_gid = 1000, 1000, 1000
    k.allow_privilege_escalation = False
    # Jails make user namespaces, which the runtime's default profile forbids; the profile is the worker's.
    k.extra_pod_config = {
        "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "sallyport/worker.json"}}
    }
    k.extra_container_config = {"securityContext": {
        "runAsNonRoot": True, "readOnlyRootFilesystem": True, "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    }}  # fmt: skip
    k.cpu_guarantee, k.cpu_limit = 0.5, 2
    k.mem_guarantee, k.mem_limit = "1G", "6G"
    k.storage_pvc_ensure = True
    k.pvc_name_template = "notebooks-{user_server}"
    k.storage_capacity = given.get("SALLYPORT_HUB_STORAGE", "10Gi")
    k.volumes = [
        {"name": "notebooks", "persistentVolumeClaim": {"claimName": "notebooks-{user_server}"}},
        {"name": "temporary", "emptyDir": {"sizeLimit": "2Gi"}},
    ]
    k.volume_mounts = [{"name": "notebooks", "mountPath": "/notebooks"}, {"name": "temporary", "mountPath": "/tmp"}]  # noqa: S108
    k.environment = c.Spawner.environment | {"SALLYPORT_NOTEBOOKS": "/notebooks"}
else:
    c.Spawner.notebook_dir = ""
    for name in ("SALLYPORT_GATEWAY_SOCKET", "SALLYPORT_NOTEBOOKS", "PATH"):
        if name in given:
            c.Spawner.environment[name] = given[name]
