// Every relative link in a document leads to a file that is there, and so does every path of ours that one names in `code`.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';

const root = join(import.meta.dirname, '..');
const git = (...args) =>
  execFileSync('git', ['-C', root, ...args], { encoding: 'utf8' })
    .split('\0')
    .filter(Boolean);
const documents = git('ls-files', '-z', '--cached', '--others', '--exclude-standard', '--', '*.md').filter((file) =>
  existsSync(join(root, file)),
);

let broken = 0;
const missing = (document, what) => {
  console.error(`${document}: ${what} does not exist`);
  broken += 1;
};
for (const document of documents) {
  const text = readFileSync(join(root, document), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  for (const [, target] of text.replace(/`[^`\n]*`/g, '').matchAll(/\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)/g))
    if (!existsSync(join(root, normalize(join(dirname(document), target))))) missing(document, target);
  for (const [, path] of text.matchAll(/`((?:libs|services|runtime|scripts|docs|bench|\.ci)\/[\w./-]+\w)(?::\d+)?`/g))
    if (!/generated|dist\//.test(path) && !existsSync(join(root, path))) missing(document, path);
}
process.exitCode = broken > 0 ? 1 : 0;
