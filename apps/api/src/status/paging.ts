import { ApiQuery } from '@nestjs/swagger';
import { decodeCursor, PAGE } from '@bongsu/http';

/** An id of ours, in a cursor. */
export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
/** What Date's toISOString writes for the years that a row can have. */
export const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/;

const PAGE_QUERY = [
  ApiQuery({
    name: 'limit',
    required: false,
    schema: { type: 'integer', minimum: PAGE.min, maximum: PAGE.max, default: PAGE.fallback },
  }),
  ApiQuery({ name: 'cursor', required: false, schema: { type: 'string' }, description: "A page's nextCursor" }),
];

/** Documents a list's `limit` and `cursor`. */
export const Paged = (): MethodDecorator => (target, name, descriptor) => {
  for (const decorate of PAGE_QUERY) decorate(target, name, descriptor);
};

/** A cursor's part that matches TIME. Throws invalid_parameter for a month 13, which the pattern allows and no cursor of ours has. */
export function cursorDate(text: string, cursor: string): Date {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) decodeCursor(cursor, /^never$/);
  return date;
}
