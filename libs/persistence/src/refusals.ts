/** TLS failures by Node's codes (tls, OpenSSL), and what to change. */
const CERTIFICATES: Readonly<Record<string, string>> = {
  ERR_TLS_CERT_ALTNAME_INVALID: 'is for other names than the host of DATABASE_URL',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'is of no authority that is trusted here: see sslrootcert in DATABASE_URL',
  SELF_SIGNED_CERT_IN_CHAIN: 'is of no authority that is trusted here: see sslrootcert in DATABASE_URL',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is of no authority that is trusted here: see sslrootcert in DATABASE_URL',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'is of no authority that is trusted here: see sslrootcert in DATABASE_URL',
  CERT_HAS_EXPIRED: 'has expired',
  CERT_NOT_YET_VALID: 'does not hold yet: look at the clocks',
};

/**
 * Why PostgreSQL, or we, refuse the connection, in words that say what to change and hold no secret; undefined for everything
 * that may pass by itself. (An authority's file that cannot be read is thrown by the driver when it reads the URL.)
 */
export function refusalIn(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as { code?: unknown };
  if (typeof code !== 'string') {
    return /does not support SSL/.test(error.message)
      ? 'PostgreSQL speaks no TLS, which sslmode in DATABASE_URL asks for'
      : undefined;
  }
  // 28P01 invalid_password, 28000 invalid_authorization_specification (also: what pg_hba.conf has no line for).
  if (code === '28P01' || code === '28000')
    return `PostgreSQL does not let us in (${error.message}): see user, password and sslmode in DATABASE_URL, or the file of DATABASE_URL_FILE`;
  const certificate = CERTIFICATES[code];
  return certificate && `The certificate of PostgreSQL ${certificate} (${error.message})`;
}
