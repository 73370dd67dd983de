import type { OpenAPIObject } from '@nestjs/swagger';

const problem = { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } };
const tar = { 'application/x-tar': { schema: { type: 'string', format: 'binary' } } };
const count = (description: string) => ({ type: 'integer', description });
const name = { name: 'name', in: 'path', required: true, description: 'Of a running sandbox of the caller', schema: { type: 'string' } };

const imported = {
  type: 'object',
  required: ['files', 'directories', 'links', 'skippedLinks', 'bytes'],
  properties: {
    files: count('Files that were put there'),
    directories: count('Directories that were named'),
    links: count('Symbolic links that were put there'),
    skippedLinks: count('Symbolic links that were left out, as outsideLinks=skip wants it'),
    bytes: count('Of all files together'),
  },
};

/** Served by the proxy, which asks the sandbox itself: no service carries people's files. */
export const workspacePaths = {
  '/api/v1/sandboxes/{name}/workspace': {
    get: {
      operationId: 'workspace_export',
      tags: ['Workspace'],
      summary: "The files of a running sandbox's work folder, as a tar archive",
      description: 'Answered by the sandbox; an archive without its end is not whole. Permission: `sandbox:read`.',
      parameters: [name],
      responses: { 200: { description: 'The archive', content: tar }, default: { description: 'A refusal', content: problem } },
      security: [{ bearer: [] }, { apiKey: [] }],
    },
    put: {
      operationId: 'workspace_import',
      tags: ['Workspace'],
      summary: 'Puts what a tar archive holds into the work folder of a running sandbox; what it does not name stays',
      description:
        'Nothing is changed unless the whole archive is acceptable: files, directories and symbolic links that stay inside, not compressed. ' +
        'The same archive again changes nothing. Permission: `sandbox:update`.',
      parameters: [
        name,
        {
          name: 'outsideLinks',
          in: 'query',
          description: 'What becomes of symbolic links that lead out of the work folder',
          schema: { type: 'string', enum: ['refuse', 'skip'], default: 'refuse' },
        },
        { name: 'Idempotency-Key', in: 'header', required: false, description: 'Not needed, and ignored', schema: { type: 'string' } },
      ],
      requestBody: { required: true, content: tar },
      responses: {
        200: { description: 'What was put there', content: { 'application/json': { schema: imported } } },
        default: { description: 'A refusal', content: problem },
      },
      security: [{ bearer: [] }, { apiKey: [] }],
    },
  },
} as unknown as OpenAPIObject['paths'];
