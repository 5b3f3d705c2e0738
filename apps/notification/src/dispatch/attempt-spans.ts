import type { TraceContext } from '@bongsu/contracts';
import { NO_SPAN, tracing, type Span } from '@bongsu/tracing';
import type { Outcome } from '../channels/provider.js';
import type { LeasedDelivery } from '../ledger/delivery.js';

/** One attempt of a delivery, whichever providers are called in it: below the span that sent its request, however long ago. */
export function attemptSpan(delivery: LeasedDelivery): Span {
  if (!tracing.isOn || delivery.trace === undefined) return NO_SPAN;
  const { channel, priority } = delivery;
  return tracing.start(`deliver ${channel}`, {
    kind: 'internal',
    parent: delivery.trace,
    attributes: {
      'bongsu.notification.id': delivery.notificationId,
      'bongsu.delivery.id': delivery.id,
      'bongsu.delivery.attempt': delivery.attempts + 1,
      'bongsu.channel': channel,
      'bongsu.priority': priority,
    },
  });
}

/** One call of a provider. `destination` is a host: paths and addresses are the recipients' own. */
export function callSpan(parent: TraceContext | undefined, provider: string, destination: string): Span {
  if (!tracing.isOn || parent === undefined) return NO_SPAN;
  const url = destination === '' ? undefined : URL.parse(`http://${destination}`);
  return tracing.start(`call ${provider}`, {
    kind: 'client',
    parent,
    attributes: {
      'bongsu.provider': provider,
      ...(url ? { 'server.address': url.hostname } : {}),
      ...(url?.port ? { 'server.port': Number(url.port) } : {}),
    },
  });
}

/** @param outcome undefined when the process ends before it is known */
export function endSpan(span: Span, outcome: Outcome | undefined): void {
  if (span === NO_SPAN) return;
  span.set({ 'bongsu.outcome': outcome?.kind ?? 'unknown' });
  if (outcome?.kind !== 'done') span.fail(outcome?.code ?? 'shutdown');
  span.end();
}
