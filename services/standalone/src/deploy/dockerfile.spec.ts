import { readFile } from 'node:fs/promises';
import { repositoryPath } from './testing/repository-file.js';

interface Stage {
  from: string;
  name: string;
  lines: string[];
}

/** Stages in order, continued lines in one. */
async function stages(): Promise<Stage[]> {
  const text = (await readFile(repositoryPath('Dockerfile'), 'utf8')).replace(/\\\n\s*/g, ' ');
  const found: Stage[] = [];
  for (const line of text.split('\n').filter((each) => each && !each.startsWith('#'))) {
    const from = /^FROM (?:--platform=\S+ )?(\S+) AS (\S+)$/.exec(line);
    if (from) found.push({ from: from[1]!, name: from[2]!, lines: [] });
    else found.at(-1)?.lines.push(line);
  }
  return found;
}

describe('the Dockerfile', () => {
  it.each(['platform', 'sandbox'])(
    'makes an image %s for nobody in particular, with a health check, that starts without a shell',
    async (name) => {
      const { lines, from } = (await stages()).find((stage) => stage.name === name)!;
      expect(from).toBe('node');
      expect(lines).toContain('USER 1000:1000');
      expect(lines.slice(lines.indexOf('USER 1000:1000')).some((line) => /^(RUN|COPY)/.test(line))).toBe(false);
      expect(lines).toContain('ENTRYPOINT ["node"]');
      for (const start of ['CMD ["', 'HEALTHCHECK '])
        expect(lines.some((line) => line.startsWith(start) && line.includes('["'))).toBe(true);
      expect(lines.join('\n')).toMatch(/org\.opencontainers\.image\.title/);
    },
  );

  it('installs what package-lock.json says and nothing that develops', async () => {
    const modules = (await stages()).find(({ name }) => name === 'modules')!;
    expect(modules.lines.join('\n')).toMatch(/npm ci --omit=dev --omit=optional --ignore-scripts/);
    const all = (await stages()).flatMap(({ lines }) => lines).join('\n');
    expect(all).not.toMatch(/npm (install|i)\b|:latest|ADD http/);
  });

  it('gives images no more than the builder was given, of which a checkout’s secrets and data are no part', async () => {
    const lines = (await readFile(repositoryPath('.dockerignore'), 'utf8')).split('\n').filter((line) => line && !line.startsWith('#'));
    expect(lines[0]).toBe('*');
    expect(lines.filter((line) => /sandlot|cache|env|git|node_modules/.test(line))).toEqual([]);
  });
});
