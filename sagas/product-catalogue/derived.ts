/** What workers make of what editors wrote, as functions of it. */
import { createHash } from 'node:crypto';

interface Text {
  readonly name: string;
  readonly description: string;
}

/** Each word once, in lower case, sorted. */
export const wordsOf = ({ name, description }: Text): ReadonlyArray<string> =>
  [...new Set(`${name} ${description}`.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [])].sort();

/** SHA-256 of what editors wrote, in hexadecimal. */
export const checksumOf = ({
  name,
  description,
  images,
}: Text & { readonly images: ReadonlyArray<string> }): string =>
  createHash('sha256')
    .update(JSON.stringify([name, description, images]))
    .digest('hex');
