/** What tests of the server's races share: a server over a store whose answers can be held back, and its clients. */
import { EventStoreDBClient, jsonEvent } from '@eventstore/db-client';
import svc from '@eventstore/db-client/generated/streams_grpc_pb.js';
import grpc from '@grpc/grpc-js';
import { any, type EventStore, memoryStore, newId, type StreamName, toPromise } from 'watersmeet';
import { type Serving, serve } from '../../src/server/serve.js';

const closers: Array<() => Promise<unknown>> = [];

/** Closes what the test opened, the newest first. */
export const closeAll = async (): Promise<void> => {
  for (const close of closers.splice(0).reverse()) await close();
};

/** A server over a store in memory whose methods the test may take the place of. */
export const open = async (changed: (inner: EventStore) => Partial<EventStore> = () => ({})) => {
  const inner = memoryStore();
  const serving: Serving = await serve({ ...inner, ...changed(inner) }, { port: 0, closeMs: 500 });
  const client = EventStoreDBClient.connectionString(
    `esdb://${serving.address}?tls=false&throwOnAppendFailure=true&defaultDeadline=30000`,
  );
  const raw = new svc.StreamsClient(serving.address, grpc.credentials.createInsecure());
  closers.push(async () => {
    await client.dispose();
    raw.close();
    await serving.close();
    await inner.close();
  });
  return { inner, serving, client, raw };
};

export const counted = (n: number) => jsonEvent({ type: 'Counted', data: { n } });

/** An event as a program writes it that has opened the store itself. */
export const put = (store: EventStore, streamName: string, n = 0, type = 'Counted') =>
  toPromise(
    store.append({
      streamName: streamName as StreamName,
      expected: any,
      events: [{ eventId: newId(), type, schemaVersion: 1, data: { n }, metadata: {} }],
    }),
  );

/** Something that is waited for until `open`. */
export const gate = () => {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
};

/** The numbers that a read gives, or the name of the error that it ends with. */
export const readNumbers = async (client: EventStoreDBClient, stream: string): Promise<unknown> => {
  const found: unknown[] = [];
  try {
    for await (const { event } of client.readStream(stream)) found.push((event?.data as { n: unknown }).n);
    return found;
  } catch (error) {
    return (error as Error).constructor.name;
  }
};

export const nameOfError = (error: unknown): string => (error as Error).constructor.name;
