import { retry, timedOut, type Outcome } from './provider.js';

/** Codes of OpenSSL and of Node's TLS for "this peer could not be trusted or understood". */
const TLS =
  /^(ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|SELF_SIGNED_CERT|DEPTH_ZERO_|HOSTNAME_MISMATCH|INVALID_(CA|PURPOSE)|PATH_LENGTH_EXCEEDED|ETLS$|EPROTO$|ERR_OSSL_)/;
/** getaddrinfo's codes and those of c-ares (https://nodejs.org/api/dns.html#error-codes). */
const DNS = new Set(
  'EDNS ENOTFOUND EAI_AGAIN EAI_FAIL EAI_NODATA EAI_NONAME ENODATA ESERVFAIL EREFUSED ENOTIMP EBADRESP EBADNAME EFORMERR ETIMEOUT ECANCELLED'.split(
    ' ',
  ),
);
/** What is not HTTP or SMTP as the parsers know them. */
const PROTOCOL = /^(HPE_|UND_ERR_HEADERS_OVERFLOW$|UND_ERR_RES_|EPROTOCOL$)/;
const TIMEOUT = new Set(['ETIMEDOUT', 'UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT']);
const UNREACHABLE = new Set(['EHOSTUNREACH', 'ENETUNREACH', 'EHOSTDOWN', 'ENETDOWN', 'EADDRNOTAVAIL']);
const CLOSED = new Set(['ECONNECTION', 'UND_ERR_SOCKET', 'UND_ERR_CLOSED', 'UND_ERR_DESTROYED', 'UND_ERR_ABORTED']);
const RESET = new Set(['ECONNRESET', 'EPIPE', 'ECONNABORTED']);

/**
 * What a failed connection means to a delivery: always temporary, since names, routes, certificates and servers get mended. Takes
 * the error's code alone: an error's message may quote addresses and credentials.
 */
export function connectionFailure(code: string): Outcome {
  if (TIMEOUT.has(code)) return timedOut;
  if (DNS.has(code)) return retry('dns_failed', `The host's name could not be resolved (${code})`);
  if (TLS.test(code)) return retry('tls_failed', `No trusted encrypted connection (${code})`);
  if (PROTOCOL.test(code)) return retry('protocol_error', `The host does not speak the protocol (${code})`);
  if (code === 'ECONNREFUSED') return retry('connection_refused', 'The host refused the connection');
  if (RESET.has(code)) return retry('connection_reset', `The connection was cut (${code})`);
  if (UNREACHABLE.has(code)) return retry('host_unreachable', `There is no way to the host (${code})`);
  if (CLOSED.has(code)) return retry('connection_closed', 'The connection was closed before an answer');
  return retry('connection_failed', `The call failed (${code})`);
}
