/**
 * RFC 9557 as far as we take it: a date and time with seconds, maybe an offset, and the name of a time zone, without other
 * suffixes. Whether there is such a zone, and such a moment in it, is not its business.
 */
export const ZONED_DATE_TIME =
  /^(?<local>\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:[0-5]\d(?:\.\d{1,9})?)(?:[Zz]|[+-]\d\d:\d\d)?\[!?(?<zone>[A-Za-z][A-Za-z0-9._+-]{0,31}(?:\/[A-Za-z0-9._+-]{1,32}){0,2})\]$/;
