interface Route {
  readonly method: string;
  /** `:name` matches one non-empty segment, a final `*` the rest. */
  readonly segments: readonly string[];
}

/**
 * Which methods a path answers to, so that a wrong method is a 405 with Allow and not a 404. Fastify's router only says
 * that nothing matched.
 */
export class RouteTable {
  private readonly routes: Route[] = [];

  add(method: string | readonly string[], pattern: string): void {
    for (const each of typeof method === 'string' ? [method] : method) {
      this.routes.push({ method: each, segments: pattern.split('/') });
    }
  }

  /** The methods of a request's path, sorted; empty when there is no such path. The query does not count. */
  methodsOf(url: string): string[] {
    const segments = (url.split('?')[0] ?? '').split('/');
    const methods = this.routes.filter((route) => matches(route.segments, segments)).map(({ method }) => method);
    return [...new Set(methods)].sort();
  }
}

function matches(pattern: readonly string[], segments: readonly string[]): boolean {
  const open = pattern.at(-1) === '*';
  if (open ? segments.length < pattern.length : segments.length !== pattern.length) return false;
  return pattern.every(
    (part, i) => part === '*' || part === segments[i] || (part.startsWith(':') && segments[i] !== ''),
  );
}
