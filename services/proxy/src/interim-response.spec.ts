import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { passInterim } from './interim-response.js';
import { parseResponseHead } from './response-head.js';

describe('an interim response', () => {
  const passed = (head: string) => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    let text = '';
    Object.assign(response, { _writeRaw: (written: string) => (text += written) });
    passInterim(parseResponseHead(Buffer.from(head, 'latin1'))!, response);
    return text;
  };

  it('102 is passed on, without fields', () => {
    expect(passed('HTTP/1.1 102 Processing\r\nSet-Cookie: a=b\r\n\r\n')).toBe('HTTP/1.1 102 Processing\r\n\r\n');
  });

  it('103 is passed on with its links, of one line or several, and nothing else', () => {
    expect(
      passed('HTTP/1.1 103 E\r\nLink: </a>; rel=preload; as=style, </b>; rel="preload"\r\nlink: </c>\r\nSet-Cookie: a=b\r\n\r\n'),
    ).toBe('HTTP/1.1 103 Early Hints\r\nLink: </a>; rel=preload; as=style, </b>; rel="preload", </c>\r\n\r\n');
  });

  it.each(['nope', '</a>; rel="pre load"', '</a>; x=a b', '<a b>', '</a>; ="', '</a>;;', '</a'])(
    '103 with the link %s is left out',
    (link) => {
      expect(passed(`HTTP/1.1 103 Early Hints\r\nLink: ${link}\r\n\r\n`)).toBe('');
    },
  );

  it('that nobody knows is left out', () => {
    expect(passed('HTTP/1.1 150 Odd\r\nLink: </a>\r\n\r\n')).toBe('');
  });
});
