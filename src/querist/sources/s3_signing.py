"""Who asks S3, and the signature of it; botocore finds and renews credentials and signs.

Requests go over our own connections: botocore's take 1,150 microseconds of a processor a read,
ours with botocore's signature 150.
"""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from querist.core.errors import ConfigError, require
from querist.sources.access import Access
from querist.sources.nearest import refuse_unknown
from querist.sources.source import Forbidden, SourceError

_WHAT = "Reading from S3"
REGION = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


@dataclass(frozen=True)
class S3Options:
    """Where and as whom.

    Attributes:
        endpoint: URL of a server other than Amazon's; "" for Amazon's, or for what AWS_ENDPOINT_URL
            says where the policy allows credentials from around the process.
        region: "" for what the environment or configuration says, else us-east-1. A bucket's true
            region is found by itself.
        addressing: "virtual" (bucket.host), "path" (host/bucket), or "auto": path for an endpoint
            of one's own and for buckets with a dot.
        anonymous: Do not sign; for public buckets.
        key: Access key; "" for what is found around the process.
        secret: Its secret.
        token: Its session token, if it is a temporary one.
        profile: A profile of the configuration files.
        role: ARN of a role to assume, renewed before it ends.
        external_id: What the role's owner asks for.
        sts_endpoint: URL of the service that hands out roles, if not Amazon's.
        requester_pays: Agree to pay for transfers.
        ca: A file of the certificate authorities to trust.
    """

    endpoint: str = ""
    region: str = ""
    addressing: str = "auto"
    anonymous: bool = False
    key: str = ""
    secret: str = ""
    token: str = ""
    profile: str = ""
    role: str = ""
    external_id: str = ""
    sts_endpoint: str = ""
    requester_pays: bool = False
    ca: str = ""

    @classmethod
    def of(cls, options: Mapping[str, Any], access: Access) -> S3Options:
        """Checked, and completed from the environment where the policy allows.

        Raises:
            ConfigError: If they do not go together, or the policy forbids what they need.
        """
        refuse_unknown(options, cls.__dataclass_fields__, "The s3 source")
        made = cls(**options)
        if made.addressing not in ("auto", "path", "virtual"):
            raise ConfigError(
                f"addressing of s3 is auto, path or virtual, got {made.addressing!r}."
            )
        if made.region and not REGION.fullmatch(made.region):
            raise ConfigError(f"region of s3 is a name like eu-west-1, got {made.region!r}.")
        if bool(made.key) != bool(made.secret):
            raise ConfigError("key and secret of s3 are given both or not at all.")
        if not access.credentials:
            _require_own(made)
        return made

    def found_endpoint(self, access: Access) -> str:
        """The endpoint, also of the environment; "" for Amazon's."""
        if self.endpoint or not access.credentials:
            return self.endpoint
        names = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        return next((os.environ[name] for name in names if os.environ.get(name)), "")


def _require_own(options: S3Options) -> None:
    if options.profile or options.role or options.sts_endpoint:
        raise ConfigError(
            "profile, role and sts_endpoint of s3 use credentials found around the process, which "
            "the access policy forbids. Give key and secret, or anonymous."
        )
    if not options.anonymous and not options.key:
        raise ConfigError(
            "The access policy forbids credentials found around the process. Give key and secret "
            "to s3, or set anonymous for public buckets."
        )


class Signer:
    """Signs requests; thread-safe. Credentials are looked for at the first signature.

    Args:
        options: As whom.
        proxy: Of what botocore itself asks (roles), as in
            :class:`~querist.sources.access.Access`.
    """

    def __init__(self, options: S3Options, proxy: str = "") -> None:
        self._options, self._proxy = options, proxy
        self._lock = threading.Lock()
        self._credentials: Any = None
        self._auth: dict[str, Any] = {}
        self.region = options.region
        if not options.anonymous:
            require("botocore.session", "s3", _WHAT)
        if not self.region:
            self.region = self._configured_region()

    def _configured_region(self) -> str:
        if self._options.anonymous or self._options.key:
            return "us-east-1"
        return self._session().get_config_variable("region") or "us-east-1"

    def _session(self) -> Any:
        session = require("botocore.session", "s3", _WHAT)
        made = session.Session(profile=self._options.profile or None)
        if self._proxy != "environment":  # which is what botocore takes by itself
            config = require("botocore.config", "s3", _WHAT)
            through = dict.fromkeys(("http", "https"), self._proxy) if self._proxy else {}
            made.set_default_client_config(config.Config(proxies=through))
        return made

    def signed(self, method: str, url: str, region: str) -> dict[str, str]:
        """The headers of a request, signature included.

        Raises:
            Forbidden: If there are no credentials.
        """
        headers = {"x-amz-request-payer": "requester"} if self._options.requester_pays else {}
        if self._options.anonymous:
            return headers
        auth = self._auth.get(region) or self._auth_for(region)
        requests = require("botocore.awsrequest", "s3", _WHAT)
        request = requests.AWSRequest(method, url, headers=headers)
        try:
            auth.add_auth(request)
        # A role or a metadata service that does not answer; botocore has many classes for that.
        except Exception as error:
            raise Forbidden(f"The request to S3 could not be signed: {error}.") from error
        return dict(request.headers)

    def _auth_for(self, region: str) -> Any:
        module = require("botocore.auth", "s3", _WHAT)
        with self._lock:
            if self._credentials is None:
                self._credentials = self._found()
            self._auth[region] = module.S3SigV4Auth(self._credentials, "s3", region)
            return self._auth[region]

    def _found(self) -> Any:
        module = require("botocore.credentials", "s3", _WHAT)
        options = self._options
        if options.key:
            found = module.Credentials(options.key, options.secret, options.token or None)
        else:
            found = self._around()
        if not options.role:
            return found
        return module.DeferredRefreshableCredentials(
            self._fetcher(module, found).fetch_credentials, "assume-role"
        )

    def _around(self) -> Any:
        errors = require("botocore.exceptions", "s3", _WHAT)
        try:
            found = self._session().get_credentials()
        except errors.BotoCoreError as error:
            raise SourceError(f"Credentials for S3 cannot be read: {error}.") from error
        if found is None:
            raise Forbidden(
                "No credentials for S3 are found in the environment or the configuration files. "
                "Give key and secret, a profile, or set anonymous for public buckets."
            )
        return found

    def _fetcher(self, module: Any, source: Any) -> Any:
        extra = {"RoleSessionName": "querist"}
        if self._options.external_id:
            extra["ExternalId"] = self._options.external_id

        def client(service: str, **given: Any) -> Any:
            given["region_name"] = self.region
            endpoint = self._options.sts_endpoint or None
            return self._session().create_client(service, endpoint_url=endpoint, **given)

        return module.AssumeRoleCredentialFetcher(
            client, source, self._options.role, extra_args=extra
        )
