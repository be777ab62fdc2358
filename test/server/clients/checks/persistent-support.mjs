// What the checks of persistent subscriptions share: both sorts, to a stream and to $all, said once.
import { upTo } from '../helpers.mjs';

/** Groups on one stream, and groups on $all that are filtered to what one check writes; new ones, or those that are named. */
export const sorts = {
  'to stream': (client, h, { source = h.name('ps'), group = h.name('group') } = {}) => {
    const settingsOf = h.api.persistentSubscriptionToStreamSettingsFromDefaults;
    return {
      source,
      group,
      eventSource: source,
      settingsOf,
      missing: h.name('no-group'),
      create: (settings = {}, name = group) =>
        client.createPersistentSubscriptionToStream(
          source,
          name,
          settingsOf({ startFrom: h.api.START, ...settings }),
        ),
      update: (settings = {}, name = group) =>
        client.updatePersistentSubscriptionToStream(
          source,
          name,
          settingsOf({ startFrom: h.api.START, ...settings }),
        ),
      remove: (name = group) => client.deletePersistentSubscriptionToStream(source, name),
      info: (name = group) => client.getPersistentSubscriptionToStreamInfo(source, name),
      list: () => client.listPersistentSubscriptionsToStream(source),
      replay: (options, name = group) => client.replayParkedMessagesToStream(source, name, options),
      connect: (options, name = group, by = client) =>
        by.subscribeToPersistentSubscriptionToStream(source, name, options),
    };
  },
  'to all': (client, h, { source = h.name('psall'), group = h.name('group') } = {}) => {
    const settingsOf = h.api.persistentSubscriptionToAllSettingsFromDefaults;
    // From the end, for all that others have written there: only what comes is this check's own.
    const filter = h.api.streamNameFilter({ prefixes: [source] });
    return {
      source,
      group,
      eventSource: '$all',
      settingsOf,
      missing: h.name('no-group'),
      create: (settings = {}, name = group) =>
        client.createPersistentSubscriptionToAll(name, settingsOf({ startFrom: h.api.END, ...settings }), {
          filter,
        }),
      update: (settings = {}, name = group) =>
        client.updatePersistentSubscriptionToAll(name, settingsOf({ startFrom: h.api.END, ...settings })),
      remove: (name = group) => client.deletePersistentSubscriptionToAll(name),
      info: (name = group) => client.getPersistentSubscriptionToAllInfo(name),
      list: () => client.listPersistentSubscriptionsToAll(),
      replay: (options, name = group) => client.replayParkedMessagesToAll(name, options),
      connect: (options, name = group, by = client) =>
        by.subscribeToPersistentSubscriptionToAll(name, options),
    };
  },
};

/** A consumer that does with each event what `act` says: by default it acknowledges. */
export const consume = (h, subscription, act = (event, consumer) => consumer.ack(event)) => {
  const listener = h.listen(subscription);
  const failures = [];
  subscription.on('data', (event) => {
    Promise.resolve(act(event, subscription)).catch((error) => failures.push(error));
  });
  return Object.assign(listener, { failures });
};

export const leave = () => undefined;
export const nack =
  (action, reason = 'as the check wants it') =>
  (event, consumer) =>
    consumer.nack(action, reason, event);

/** Numbers that the events of a check carry, as `h.many` gives them. */
export const numbersOf = (resolved) => resolved.map(({ event }) => event.data.n);
export const numbers = (count, from = 0) => upTo(count, from).map(Number);

/** Until as many are parked as there should be. */
export const parked = (h, sort, count, name) =>
  h.until(async () => (await sort.info(name)).stats.parkedMessageCount === BigInt(count), `${count} parked`);

export const sorted = (list) => [...list].sort((a, b) => a - b);
