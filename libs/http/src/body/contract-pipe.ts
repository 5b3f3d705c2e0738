import { StandardSchemaValidationPipe } from '@nestjs/common';
import { BongsuError } from '@bongsu/contracts';
import { invalidBody } from '../problems/problem.js';

/**
 * Checks `@Body({ schema })` against its contract: exactly what was sent, with nothing coerced, added or taken away.
 * 422 with a JSON Pointer for what is wrong, 400 when there is no body at all.
 */
export class ContractPipe extends StandardSchemaValidationPipe {
  constructor() {
    super({
      transform: false,
      exceptionFactory: (issues) =>
        invalidBody(
          ...issues.map(({ path, message }) => ({ pointer: (path ?? []).map(segment).join(''), detail: message })),
        ),
    });
  }

  protected override validate(
    ...[value, schema, options]: Parameters<StandardSchemaValidationPipe['validate']>
  ): never {
    if (value === undefined) throw new BongsuError('malformed_json', 'A JSON body is required');
    return super.validate(value, schema, options) as never;
  }

  /** Nest would silently drop `__proto__`; the contracts refuse it, so that the sender hears of it. */
  protected override stripProtoKeys(): void {}
}

const segment = (part: PropertyKey | { readonly key: PropertyKey }): string =>
  `/${String(typeof part === 'object' ? part.key : part)
    .replaceAll('~', '~0')
    .replaceAll('/', '~1')}`;
