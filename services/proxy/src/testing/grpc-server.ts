import { once } from 'node:events';
import {
  Server,
  ServerCredentials,
  status,
  type Metadata,
  type sendUnaryData,
  type ServerDuplexStream,
  type ServerReadableStream,
  type ServerUnaryCall,
  type ServerWritableStream,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';

type Unary = ServerUnaryCall<Buffer, Buffer>;
type Reply = sendUnaryData<Buffer>;

const bytes = { requestSerialize: same, requestDeserialize: same, responseSerialize: same, responseDeserialize: same };

/** A service of bytes, so that no schema is needed: what passes is the same. @param prefix where the proxy serves it; '' for the sandbox itself */
export function talkService(prefix = ''): ServiceDefinition {
  const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
    path: `${prefix}/test.Talk/${name}`,
    requestStream,
    responseStream,
    ...bytes,
  });
  return {
    echo: method('Echo', false, false),
    count: method('Count', false, true),
    sum: method('Sum', true, false),
    chat: method('Chat', true, true),
    fail: method('Fail', false, false),
    wait: method('Wait', false, false),
  };
}

export interface GrpcServer {
  address: string;
  port: number;
  /** Metadata of every call, in the order in which they came. */
  calls: Metadata[];
  /** Calls that their client broke off. */
  cancelled: string[];
  /** Messages that `count` has been able to send. */
  sent: number;
  close(): void;
}

/** A server of gRPC as a sandbox would have one, on loopback without TLS. */
export async function grpcServer(options: Record<string, number> = {}): Promise<GrpcServer> {
  const server = new Server({ 'grpc.max_receive_message_length': -1, ...options });
  const state: GrpcServer = { address: '', port: 0, calls: [], cancelled: [], sent: 0, close: () => server.forceShutdown() };
  const begin = (name: string, call: { metadata: Metadata; on(event: 'cancelled', listener: () => void): unknown }) => {
    state.calls.push(call.metadata);
    call.on('cancelled', () => state.cancelled.push(name));
  };
  const implementation = {
    echo(call: Unary, reply: Reply) {
      begin('echo', call);
      call.sendMetadata(call.metadata);
      reply(null, call.request, trailers(call.metadata));
    },
    async count(call: ServerWritableStream<Buffer, Buffer>) {
      begin('count', call);
      const gone = once(call, 'cancelled');
      const { number, size } = JSON.parse(call.request.toString()) as { number: number; size: number };
      for (let i = 0; i < number && !call.cancelled; i++) {
        if (!call.write(Buffer.alloc(size, i))) await Promise.race([once(call, 'drain'), gone]);
        state.sent++;
      }
      call.end();
    },
    sum(call: ServerReadableStream<Buffer, Buffer>, reply: Reply) {
      begin('sum', call);
      let sum = 0;
      call.on('data', (message: Buffer) => (sum += message.length));
      call.on('end', () => reply(null, Buffer.from(String(sum))));
    },
    chat(call: ServerDuplexStream<Buffer, Buffer>) {
      begin('chat', call);
      call.on('data', (message: Buffer) => {
        if (message.toString() === 'stop') call.emit('error', { code: status.ABORTED, details: 'as you wish' });
        else call.write(Buffer.from(`heard ${message.toString()}`));
      });
      call.on('end', () => call.end());
    },
    fail(call: Unary, reply: Reply) {
      begin('fail', call);
      reply({ code: status.FAILED_PRECONDITION, details: 'höchstens so', metadata: trailers(call.metadata) });
    },
    wait(call: Unary) {
      begin('wait', call);
    },
  };
  server.addService(talkService(), implementation as unknown as UntypedServiceImplementation);
  state.port = await new Promise<number>((done, failed) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => (error ? failed(error) : done(port))),
  );
  state.address = `127.0.0.1:${state.port}`;
  return state;
}

function trailers(metadata: Metadata): Metadata {
  const trailing = metadata.clone();
  trailing.set('x-sum-bin', Buffer.from([0, 1, 255]));
  return trailing;
}

function same(message: Buffer): Buffer {
  return message;
}
