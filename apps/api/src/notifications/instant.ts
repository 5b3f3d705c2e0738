import { ZONED_DATE_TIME } from '@bongsu/contracts';
import { Temporal } from 'temporal-polyfill';

/**
 * The moment that a sender's time means, milliseconds since 1970: RFC 3339 with an offset, or a local time with the name of its
 * time zone (RFC 9557). A local time that clocks leave out or show twice on a day of change is taken as by Temporal's
 * "compatible": the one that is left out as much later, the earlier one of two. Throws an Error whose message completes
 * "/sendAt …".
 */
export function instantOf(text: string): number {
  if (!text.endsWith(']')) {
    // A leap second is a valid RFC 3339 time that JavaScript has no value for.
    const ms = Date.parse(text);
    if (Number.isNaN(ms)) throw new Error('is not a moment that a calendar has');
    return ms;
  }
  const ms = epochMs(text);
  if (ms !== undefined) return ms;
  const withoutOffset = text.replace(ZONED_DATE_TIME, '$<local>[$<zone>]');
  throw new Error(
    epochMs(withoutOffset) === undefined
      ? 'is not a moment that a calendar has, or its time zone is not known'
      : 'has an offset that its time zone does not have at that time',
  );
}

function epochMs(zoned: string): number | undefined {
  try {
    return Temporal.ZonedDateTime.from(zoned, { disambiguation: 'compatible', offset: 'reject' }).epochMilliseconds;
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
