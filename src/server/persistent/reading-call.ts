/** One who reads from a group over a call: hands it events as fast as it takes them, and takes its answers. */
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { ReadReq, ReadResp } from '@eventstore/db-client/generated/persistent_pb.js';
import { newId } from '../../store/ids.js';
import { answering, type OpenCall } from '../calls.js';
import type { ServerContext } from '../context.js';
import { userNameOf } from '../credentials.js';
import { invalidArgument, type Refused, refuse } from '../status.js';
import { fillServed, type IdForm, idOf } from '../wire.js';
import { keyOfGroup } from './config.js';
import type { Groups } from './groups.js';
import { openOutbox } from './outbox.js';
import { nackActionOf, nameOf } from './requests.js';
import type { GroupRun } from './run.js';
import { bufferSizeMax } from './settings.js';
import type { Delivery } from './subscribers.js';

type ReadCall = ServerDuplexStream<ReadReq, ReadResp>;

const answerTo = ({ modules }: ServerContext, { event, retryCount }: Delivery, idForm: IdForm): ReadResp => {
  const { ReadResp: Answer } = modules.persistent;
  const { ReadEvent } = Answer;
  const message = new ReadEvent().setRetryCount(retryCount);
  return new Answer().setEvent(
    fillServed(modules, message, () => new ReadEvent.RecordedEvent(), event, idForm),
  );
};

/** The first message of a call; undefined where the client ended it before. */
const firstRequest = (call: ReadCall, signal: AbortSignal): Promise<ReadReq | undefined> =>
  new Promise((resolve) => {
    const done = (request?: ReadReq): void => {
      call.pause();
      call.off('data', done);
      call.off('end', done);
      resolve(request);
    };
    call.on('data', done);
    call.on('end', done);
    signal.addEventListener('abort', () => done(), { once: true });
  });

/** Takes what the client answers; what it sends that is no answer ends the call. */
const takeAnswers = (
  call: ReadCall,
  run: GroupRun,
  id: string,
  end: (why: Refused | 'quietly') => void,
): void => {
  call.on('data', (request: ReadReq) => {
    const [ack, nack] = [request.getAck(), request.getNack()];
    if (ack !== undefined) run.ack(id, ack.getIdsList().map(idOf));
    else if (nack !== undefined)
      run.nack(id, nack.getIdsList().map(idOf), nackActionOf(nack), nack.getReason());
    else end(invalidArgument('After its options a client sends acks and nacks only.'));
  });
  call.on('end', () => end('quietly'));
  call.resume();
};

const bufferSizeOf = (options: ReadReq.Options): number => {
  const size = options.getBufferSize();
  if (size >= 1 && size <= bufferSizeMax) return size;
  return refuse('INVALID_ARGUMENT', `The buffer size must be from 1 to ${bufferSizeMax}, found ${size}.`);
};

const read = async (
  context: ServerContext,
  groups: Groups,
  call: ReadCall,
  { signal, write }: OpenCall<ReadResp>,
): Promise<void> => {
  const options = (await firstRequest(call, signal))?.getOptions();
  if (options === undefined)
    return refuse('INVALID_ARGUMENT', 'The first message of a client is its options.');
  const bufferSize = bufferSizeOf(options);
  const run = await groups.run(nameOf(options));
  const idForm = options.getUuidOption()?.getString() === undefined ? 'structured' : 'string';
  const outbox = openOutbox(signal);
  const id = newId();
  const connectionName = String(call.metadata.get('connection-name')[0] ?? '<unknown>');
  const from = call.getPeer();
  const userName = userNameOf(call.metadata);
  const { deliver, takeBack, end } = outbox;
  run.connect({ id, bufferSize, from, userName, connectionName, deliver, takeBack, end });
  try {
    const { ReadResp: Answer } = context.modules.persistent;
    const confirmation = new Answer.SubscriptionConfirmation().setSubscriptionId(keyOfGroup(run.entry));
    await write(new Answer().setSubscriptionConfirmation(confirmation));
    takeAnswers(call, run, id, end);
    for (let next = await outbox.next(); next !== undefined; next = await outbox.next())
      await write(answerTo(context, next, idForm));
  } finally {
    run.disconnect(id);
  }
};

export const readingCall =
  (context: ServerContext, groups: Groups) =>
  (call: ReadCall): void =>
    void answering(context, call, (open) => read(context, groups, call, open));
