/** Connection strings: the four schemes, and the checks that the client leaves out or makes by printing the whole string. */
import * as E from 'fp-ts/lib/Either.js';
import { badRequest } from '../../store/checks.js';
import type { InvalidRequest } from '../../store/event-store.js';

const schemes: ReadonlyMap<string, string> = new Map([
  ['esdb', 'esdb'],
  ['esdb+discover', 'esdb+discover'],
  ['kurrentdb', 'esdb'],
  ['kurrentdb+discover', 'esdb+discover'],
  ['kurrent', 'esdb'],
  ['kurrent+discover', 'esdb+discover'],
]);

/** What the client understands; it prints the whole string, password and all, where it meets another key. */
const knownKeys: ReadonlySet<string> = new Set([
  'usercertfile',
  'userkeyfile',
  'maxdiscoverattempts',
  'connectionname',
  'defaultdeadline',
  'discoveryinterval',
  'gossiptimeout',
  'nodepreference',
  'tls',
  'tlsverifycert',
  'tlscafile',
  'keepaliveinterval',
  'keepalivetimeout',
]);

export interface ConnectionText {
  /** For the client: one of its own two schemes. */
  readonly text: string;
  /** For people: scheme and hosts, without user and password. */
  readonly name: string;
}

const isKnown = (option: string): boolean => {
  const [key = '', value = ''] = option.split('=');
  return value !== '' && knownKeys.has(key.trim().toLowerCase().replace(/[_-]/g, ''));
};

/** Whether a text is one of the schemes that this adapter opens. */
export const isEventStoreDBUrl = (text: string): boolean =>
  schemes.has(/^([a-z+]+):\/\//.exec(text)?.[1] ?? '');

/** `esdb://user:password@host:2113,host:2113?tls=false`; with `+discover` behind the scheme one name that gossip is asked of. */
export const checkConnectionString = (given: string): E.Either<InvalidRequest, ConnectionText> => {
  const match = /^([a-z+]+):\/\/(?:[^:@/?]+:[^@/?]+@)?([^@/?]+)\/?(?:\?(.*))?$/.exec(String(given).trim());
  const scheme = schemes.get(match?.[1] ?? '');
  const hosts = match?.[2];
  if (match === null || scheme === undefined || hosts === undefined)
    return badRequest('connectionString', 'must be as esdb://user:password@host:2113?tls=true');
  const badHost = hosts
    .split(',')
    .find((host) => !/^[^\s:$+!?*'();[\]{}|"%~#<>=&]+(?::\d{1,5})?$/.test(host));
  if (badHost !== undefined)
    return badRequest('connectionString', 'names a host that is none, or a port that is none');
  const options = (match[3] ?? '').split('&').filter((option) => option !== '');
  const unknown = options.find((option) => !isKnown(option));
  if (unknown !== undefined) {
    const key = unknown.split('=')[0] ?? '';
    return badRequest('connectionString', `sets ${key}, which is not one of ${[...knownKeys].join(', ')}`);
  }
  const text = String(given)
    .trim()
    .replace(/^[a-z+]+:/, `${scheme}:`);
  return E.right({ text, name: `${match[1]}://${hosts}` });
};
