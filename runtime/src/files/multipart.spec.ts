import { readFilePart } from './multipart.js';

const contentType = 'multipart/form-data; boundary=XY';
const head = '--XY\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n';

async function read(body: string, chunkSize: number) {
  const bytes = Buffer.from(body);
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += chunkSize) yield bytes.subarray(at, at + chunkSize);
  }
  const part = await readFilePart(contentType, chunks());
  let content = '';
  for await (const chunk of part.content) content += chunk.toString('latin1');
  return { filename: part.filename, content };
}

describe('a form with a file', () => {
  const lookalikes = 'one\r\n--X\r\n\r\n--XZ two\r\n-\r\n--x';

  it('is read the same however it is cut into chunks', async () => {
    const body = `${head}${lookalikes}\r\n--XY--\r\n`;
    for (let size = 1; size <= body.length; size += 1) expect(await read(body, size)).toEqual({ filename: 'a.txt', content: lookalikes });
  });

  it('may end without a line break', async () => {
    expect((await read(`${head}x\r\n--XY--`, 1000)).content).toBe('x');
  });

  it.each([
    ['cut off in the content', `${head}content`],
    ['cut off in the headers', head.slice(0, 30)],
    ['without its closing dashes', `${head}content\r\n--XY`],
    ['with a second part', `${head}one\r\n--XY\r\nContent-Disposition: form-data; name="other"\r\n\r\ntwo\r\n--XY--\r\n`],
    ['with something after the end', `${head}one\r\n--XY--\r\nmore`],
    ['with something before the beginning', `preamble\r\n${head}one\r\n--XY--\r\n`],
    ['with another boundary', `${head.replace('--XY', '--YX')}one\r\n--XY--\r\n`],
    ['with another field', `${head.replace('name="file"', 'name="data"')}one\r\n--XY--\r\n`],
    ['without a filename', `${head.replace('; filename="a.txt"', '')}one\r\n--XY--\r\n`],
    ['with endless headers', `--XY\r\nX: ${'y'.repeat(20_000)}`],
    ['that is empty', ''],
  ])('is refused %s', async (_fault, body) => {
    for (const size of [1, 7, 100_000]) await expect(read(body, size)).rejects.toMatchObject({ code: 'MALFORMED_REQUEST' });
  });
});
