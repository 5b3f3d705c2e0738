import type { Socket } from 'node:net';
import { BongsuError } from '@bongsu/contracts';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { decoderOf, parseJson, readBody, requireUtf8, type BodyLimits } from './read-body.js';

export const NDJSON = 'application/x-ndjson';

/**
 * Replaces Fastify's body parsers by ours: JSON in UTF-8 with the limits of `limits`, and NDJSON, on the routes that take
 * it, as a stream that the handler reads at its own pace.
 */
export function registerParsers(fastify: FastifyInstance, limits: BodyLimits, ndjsonRoutes: readonly string[]): void {
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('application/json', async (request: FastifyRequest) => {
    requireUtf8(request.headers['content-type']);
    return parseJson(await readBody(request.raw, limits));
  });
  fastify.addContentTypeParser(NDJSON, (request, payload, done) => {
    try {
      if (!ndjsonRoutes.includes(request.routeOptions.url ?? '')) {
        throw new BongsuError('unsupported_media_type', 'Send application/json');
      }
      requireUtf8(request.headers['content-type']);
      const decoder = decoderOf(request.raw);
      // A refused request is never read: an error of its decompressor must not become an uncaught exception.
      decoder?.on('error', () => undefined);
      if (decoder) request.raw.on('error', (error) => decoder.destroy(error));
      done(null, decoder ? payload.pipe(decoder) : payload);
    } catch (error) {
      done(error as Error, undefined);
    }
  });
}

/** How long the rest of a body is read and thrown away after its request was answered, milliseconds. */
const DRAIN_MS = 5_000;
/** The same while the server closes, which waits for every connection. */
const DRAIN_CLOSING_MS = 500;

/**
 * A request may be answered before its body has arrived (401, 413). Closing the connection at once would reset it and take
 * the answer with it, so what still comes is read and dropped for a moment; a sender that goes on and on is cut off.
 */
export function drainUnreadBodies(fastify: FastifyInstance): void {
  const draining = new Set<Socket>();
  let closing = false;
  const cutOff = (): void => draining.forEach((socket) => socket.destroy());
  fastify.addHook('preClose', (done) => {
    closing = true;
    setTimeout(cutOff, DRAIN_CLOSING_MS);
    done();
  });
  fastify.addHook('onResponse', (request, _reply, done) => {
    const { raw } = request;
    const { socket } = raw;
    if (!raw.complete && !socket.destroyed) {
      draining.add(socket);
      const timer = setTimeout(() => socket.destroy(), closing ? DRAIN_CLOSING_MS : DRAIN_MS);
      const drained = (): void => {
        clearTimeout(timer);
        draining.delete(socket);
        socket.off('close', drained);
      };
      socket.once('close', drained);
      raw
        .once('end', drained)
        .on('error', () => undefined)
        .resume();
    }
    done();
  });
}
