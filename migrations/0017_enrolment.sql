-- Enrolment: what scanners download with, one-time tokens, and credentials that are being replaced. The database holds
-- hashes and encrypted texts only. They permit neither to publish nor to download as a scanner.

CREATE TABLE tapline_internal.scanner_access (
    scanner text PRIMARY KEY REFERENCES tapline.scanners ON DELETE CASCADE,
    download_hash bytea NOT NULL UNIQUE CHECK (octet_length(download_hash) = 32),
    previous_hash bytea CHECK (octet_length(previous_hash) = 32),
    previous_until timestamptz,
    device_key bytea CHECK (octet_length(device_key) = 32),
    made_at timestamptz NOT NULL DEFAULT now(),
    CHECK ((previous_hash IS NULL) = (previous_until IS NULL))
);
COMMENT ON TABLE tapline_internal.scanner_access IS
    'Download credentials of the scanners. The broker has their passwords, as hashes';
COMMENT ON COLUMN tapline_internal.scanner_access.scanner IS 'Scanner ID';
COMMENT ON COLUMN tapline_internal.scanner_access.download_hash IS 'SHA-256 of the bearer token of the scanner';
COMMENT ON COLUMN tapline_internal.scanner_access.previous_hash IS
    'SHA-256 of the token before the last rotation, which is accepted until previous_until';
COMMENT ON COLUMN tapline_internal.scanner_access.previous_until IS 'End of previous_hash';
COMMENT ON COLUMN tapline_internal.scanner_access.device_key IS
    'Public X25519 key of the device, to which new credentials are encrypted; null until a device has shown one';
COMMENT ON COLUMN tapline_internal.scanner_access.made_at IS 'Time at which the credentials were made';

CREATE TABLE tapline_internal.enrolment_tokens (
    token_hash bytea PRIMARY KEY CHECK (octet_length(token_hash) = 32),
    scanner text NOT NULL REFERENCES tapline.scanners ON DELETE CASCADE,
    sealed bytea NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz,
    used_key bytea CHECK (octet_length(used_key) = 32),
    CHECK ((used_at IS NULL) = (used_key IS NULL))
);
CREATE INDEX enrolment_tokens_scanner ON tapline_internal.enrolment_tokens (scanner);
COMMENT ON TABLE tapline_internal.enrolment_tokens IS 'One-time tokens of `scanner enrol`, until they expire';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.token_hash IS 'SHA-256 of what the device shows of its token';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.scanner IS 'Scanner that the token enrols';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.sealed IS
    'Enrolment file, encrypted under the secret of the token, which the center does not have';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.expires_at IS 'End of the token';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.used_at IS 'Time of the first use';
COMMENT ON COLUMN tapline_internal.enrolment_tokens.used_key IS
    'Public key of the device that used it. The same device may repeat the request after a lost response';

CREATE TABLE tapline_internal.scanner_rotations (
    scanner text PRIMARY KEY REFERENCES tapline_internal.scanner_access ON DELETE CASCADE,
    download_hash bytea NOT NULL UNIQUE CHECK (octet_length(download_hash) = 32),
    password_hash text NOT NULL,
    sealed bytea NOT NULL,
    started_at timestamptz NOT NULL DEFAULT now(),
    confirmed_at timestamptz
);
COMMENT ON TABLE tapline_internal.scanner_rotations IS
    'Credentials that `scanner rotate` has made, and that are not in force yet: one row for each scanner';
COMMENT ON COLUMN tapline_internal.scanner_rotations.scanner IS 'Scanner ID';
COMMENT ON COLUMN tapline_internal.scanner_rotations.download_hash IS 'SHA-256 of the new bearer token';
COMMENT ON COLUMN tapline_internal.scanner_rotations.password_hash IS
    'Hash of the new password, as the broker stores it. The broker gets it when the device has the password';
COMMENT ON COLUMN tapline_internal.scanner_rotations.sealed IS 'New enrolment file, encrypted to the key of the device';
COMMENT ON COLUMN tapline_internal.scanner_rotations.started_at IS 'Start of the rotation';
COMMENT ON COLUMN tapline_internal.scanner_rotations.confirmed_at IS
    'Time at which the device showed the new token for the first time: it has the new file on its disk';

INSERT INTO tapline.schema_migrations (version, name) VALUES (17, 'enrolment');
