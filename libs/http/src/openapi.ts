import type { INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { ERRORS } from '@bongsu/contracts';
import { PROBLEM_TYPE } from './problems/problem.js';

export const DOCS_PATH = '/docs';

export interface ApiDescription {
  readonly title: string;
  readonly description: string;
  readonly version: string;
}

/** Serves the OpenAPI 3.1 document at /openapi.json and a page to try it at /docs, which needs nothing from elsewhere. */
export function serveOpenApi(app: INestApplication, about: ApiDescription): void {
  const config = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle(about.title)
    .setDescription(about.description)
    .setVersion(about.version)
    .setLicense('Apache-2.0', 'https://www.apache.org/licenses/LICENSE-2.0')
    .addServer('/')
    .addBearerAuth({ type: 'http', scheme: 'bearer', description: 'An API key' }, 'apiKey')
    .addSecurityRequirements('apiKey')
    .build();
  SwaggerModule.setup(DOCS_PATH.slice(1), app, () => describe(SwaggerModule.createDocument(app, config)), {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: about.title,
    swaggerOptions: { persistAuthorization: false, displayRequestDuration: true },
  });
}

const PROBLEM_SCHEMA = {
  type: 'object',
  title: 'Problem',
  description: 'RFC 9457 problem details',
  required: ['type', 'title', 'status', 'code', 'detail', 'requestId'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string', enum: Object.keys(ERRORS) },
    detail: { type: 'string' },
    requestId: { type: 'string' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['detail'],
        properties: {
          pointer: { type: 'string', description: 'RFC 6901, into the body' },
          parameter: { type: 'string' },
          detail: { type: 'string' },
        },
      },
    },
  },
};

/** Every operation answers errors in one form, so it is added here once instead of at every handler. */
function describe(document: OpenAPIObject): OpenAPIObject {
  document.components = {
    ...document.components,
    schemas: { ...document.components?.schemas, Problem: PROBLEM_SCHEMA },
  };
  const problem = {
    description: 'An error, as problem+json',
    content: { [PROBLEM_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
  };
  for (const path of Object.values(document.paths)) {
    for (const operation of Object.values(path as Record<string, { responses?: Record<string, unknown> }>)) {
      if (operation?.responses) operation.responses['4XX'] = operation.responses['5XX'] = problem;
    }
  }
  return document;
}
