import { isUtf8 } from 'node:buffer';
import type { IncomingMessage } from 'node:http';
import type { Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate } from 'node:zlib';
import { BongsuError } from '@bongsu/contracts';

export interface BodyLimits {
  /** The most bytes of a body, as sent and as decompressed. */
  readonly maxBytes: number;
  /** How long a body may take to arrive, milliseconds. */
  readonly timeoutMs: number;
}

const DECODERS: Readonly<Record<string, () => NodeJS.ReadWriteStream & Readable>> = {
  gzip: createGunzip,
  'x-gzip': createGunzip,
  deflate: createInflate,
  br: createBrotliDecompress,
};

/** The decompressor that a request's Content-Encoding asks for; undefined when there is none. 415 for one that we do not know. */
export function decoderOf(request: IncomingMessage): (NodeJS.ReadWriteStream & Readable) | undefined {
  const encoding = (request.headers['content-encoding'] ?? 'identity').trim().toLowerCase();
  if (encoding === 'identity' || encoding === '') return undefined;
  const decoder = Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  if (!decoder)
    throw new BongsuError('unsupported_media_type', 'Content-Encoding must be gzip, deflate, br or identity');
  return decoder();
}

/** 415 unless the charset, where one is given, is UTF-8: JSON has no other (RFC 8259, section 8.1). */
export function requireUtf8(contentType: string | undefined): void {
  const charset = /;\s*charset\s*=\s*"?([^\s;"]*)"?/i.exec(contentType ?? '')?.[1];
  if (charset !== undefined && !/^utf-?8$/i.test(charset)) {
    throw new BongsuError('unsupported_media_type', 'The charset must be utf-8');
  }
}

/**
 * Reads a whole body into memory, decompressed. The cap holds for the bytes as they come and as they decompress, counted
 * while they do: neither a chunked body nor a compressed bomb is ever held beyond it.
 * Rejects with body_too_large, request_timeout, malformed_request (cut off, or not what its Content-Encoding says) or
 * unsupported_media_type.
 */
export async function readBody(request: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  const decoder = decoderOf(request);
  if (Number(request.headers['content-length'] ?? 0) > limits.maxBytes) throw tooLarge(limits.maxBytes);
  return decoder ? readDecoded(request, decoder, limits) : collect(request, request, limits);
}

async function readDecoded(
  request: IncomingMessage,
  decoder: NodeJS.ReadWriteStream & Readable,
  limits: BodyLimits,
): Promise<Buffer> {
  let sent = 0;
  request.on('data', (chunk: Buffer) => {
    sent += chunk.length;
    if (sent > limits.maxBytes) decoder.destroy(tooLarge(limits.maxBytes));
  });
  request.pipe(decoder);
  try {
    return await collect(request, decoder, limits);
  } finally {
    request.unpipe(decoder);
    decoder.destroy();
  }
}

function collect(request: IncomingMessage, source: Readable, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const end = (settle: () => void): void => {
      clearTimeout(timer);
      source.off('data', onData).off('end', onEnd).off('error', onError);
      request.off('close', onClose).off('error', onError);
      // A stream without a listener for errors would take the process down with a late one.
      source.on('error', ignore);
      request.on('error', ignore);
      settle();
    };
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      if (bytes > limits.maxBytes) end(() => reject(tooLarge(limits.maxBytes)));
      else chunks.push(chunk);
    };
    const onEnd = (): void => end(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, bytes)));
    const onError = (error: Error): void => end(() => reject(unreadable(error)));
    const onClose = (): void => {
      if (!request.complete) end(() => reject(new BongsuError('malformed_request', 'The body ended early')));
    };
    const timer = setTimeout(() => {
      end(() =>
        reject(new BongsuError('request_timeout', `The body did not arrive within ${limits.timeoutMs / 1000} s`)),
      );
    }, limits.timeoutMs);
    source.on('data', onData).on('end', onEnd).on('error', onError);
    request.on('close', onClose);
    if (source !== request) request.on('error', onError);
  });
}

/** The JSON value of a body; undefined when it is empty. 400 for bytes that are not UTF-8 or text that is not JSON. */
export function parseJson(body: Buffer): unknown {
  if (body.length === 0) return undefined;
  // Node would put U+FFFD for what is not UTF-8, and a name would silently become another name.
  if (!isUtf8(body)) throw new BongsuError('malformed_json', 'The body is not valid UTF-8');
  const text = body.toString('utf8');
  try {
    return JSON.parse(text.charCodeAt(0) === 0xfeff ? text.slice(1) : text);
  } catch (error) {
    const position = /at position \d+/.exec(String(error))?.[0];
    throw new BongsuError('malformed_json', `The body is not valid JSON${position ? ` (${position})` : ''}`, {
      cause: error,
    });
  }
}

const ignore = (): void => undefined;
const tooLarge = (maxBytes: number): BongsuError =>
  new BongsuError('body_too_large', `The body may have ${maxBytes} bytes, also decompressed`);
const unreadable = (error: Error): BongsuError =>
  error instanceof BongsuError
    ? error
    : new BongsuError('malformed_request', 'The body cannot be read as its Content-Encoding says', { cause: error });
