import { TraceFlags } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
  type Sampler,
} from '@opentelemetry/sdk-trace';

/** A sampler by its name in OTEL_TRACES_SAMPLER, and whether it decides as the span above has been decided. */
export function samplerOf(name: string, ratio: number): { sampler: Sampler; followsParent: boolean } {
  const root = rootSampler(name, ratio);
  if (!name.startsWith('parentbased_')) return { sampler: root, followsParent: false };
  return { sampler: new ParentBasedSampler({ root: followingLinks(root) }), followsParent: true };
}

function rootSampler(name: string, ratio: number): Sampler {
  if (name.endsWith('always_off')) return new AlwaysOffSampler();
  return name.endsWith('traceidratio') ? new TraceIdRatioBasedSampler(ratio) : new AlwaysOnSampler();
}

/**
 * What begins a trace because of others (a batch of records, an item of a batch) is kept if one of these is: a record's
 * span would else be linked with a batch that was thrown away.
 */
function followingLinks(root: Sampler): Sampler {
  return {
    shouldSample(context, traceId, name, kind, attributes, links) {
      if (links.length === 0) return root.shouldSample(context, traceId, name, kind, attributes, links);
      const sampled = links.some((link) => (link.context.traceFlags & TraceFlags.SAMPLED) !== 0);
      return { decision: sampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD };
    },
    toString: () => `FollowingLinks{${root.toString()}}`,
  };
}
