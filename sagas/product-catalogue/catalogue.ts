/** The catalogue at work on a store: who edits, who makes assets, who imports; each in the way that suits what it writes. */
import * as E from 'fp-ts/lib/Either.js';
import type { TaskEither } from 'fp-ts/lib/TaskEither.js';
import {
  type AggregateCopy,
  type HeldLease,
  idempotentJob,
  type LeaseHooks,
  type RejectionOf,
  repository,
  type RepositoryContext,
  type Saved,
  type SaveError,
  type StreamVersion,
  systemWork,
  withLease,
} from 'watersmeet';
import { wordsOf } from './derived.js';
import { commandsOf, type ErpRecord, importKey } from './erp.js';
import { groupOf, productFields } from './fields.js';
import { productPolicies } from './policies.js';
import { product, type Product, type ProductCommand, type ProductEvent } from './product.js';

export interface CatalogueContext extends Pick<RepositoryContext, 'store' | 'stats' | 'hooks'> {
  readonly leaseHooks?: LeaseHooks;
}

/** How a thumbnail is made: slowly, and somewhere else. */
export type Render = (images: ReadonlyArray<string>, signal: AbortSignal) => Promise<string>;

/** A save, and the version that it was first decided on: others were first where it did not follow that one. */
export interface CatalogueSave extends Saved<Product, ProductEvent> {
  readonly loadedVersion: StreamVersion;
}

type Failure = SaveError<RejectionOf<typeof product>>;
type Copy = AggregateCopy<Product>;
type Saving = Promise<E.Either<Failure, CatalogueSave>>;

const productsOf = ({ leaseHooks: _, ...context }: CatalogueContext) =>
  repository({ ...context, ownership: productFields, policies: productPolicies })(product, {
    // Hot products have long streams: a load reads what is new.
    cache: { max: 1_000, maxAgeMs: 600_000 },
  });

type Products = ReturnType<typeof productsOf>;
type SaveAs = Pick<NonNullable<Parameters<Products['trySave']>[1]>, 'actor' | 'commandId' | 'signal'>;

const saveOn = async (
  products: Products,
  copy: Copy,
  commands: ReadonlyArray<ProductCommand>,
  as: SaveAs,
): Saving => {
  const [first, ...more] = commands;
  if (first === undefined) throw new TypeError('catalogue: there is nothing to save');
  let changed = products.change(copy, first);
  for (const command of more) if (E.isRight(changed)) changed = products.change(changed.right, command);
  if (E.isLeft(changed)) return changed;
  const saved = await products.trySave(changed.right, as)();
  return E.isLeft(saved) ? saved : E.right({ ...saved.right, loadedVersion: copy.version });
};

/** Loads, lets `commandOf` take its time over what is there, and saves. */
const workOn = async (
  products: Products,
  id: string,
  commandOf: (state: Product) => ProductCommand | Promise<ProductCommand>,
  as: SaveAs,
): Saving => {
  const copy = await products.load(id)();
  if (E.isLeft(copy)) return copy;
  const command = await commandOf(copy.right.state);
  // A worker that lost its lease in the meantime leaves it to the one that has it.
  as.signal?.throwIfAborted();
  return saveOn(products, copy.right, [command], as);
};

const thumbnail =
  (render: Render, signal: AbortSignal) =>
  async ({ images }: Product): Promise<ProductCommand> => ({
    type: 'MakeThumbnail',
    data: { url: await render(images, signal), images },
  });

const index =
  (slowly: () => Promise<void>) =>
  async ({ name, description }: Product): Promise<ProductCommand> => {
    await slowly();
    return { type: 'Index', data: { words: wordsOf({ name, description }), name, description } };
  };

const atOnce = async (): Promise<void> => {};

/** What the system does, under the lease of the group of fields that it writes. It adds no revision. */
const workersOn = (products: Products, { store, leaseHooks: hooks }: CatalogueContext) => {
  const under = <L, A>(
    operation: string,
    worker: string,
    scope: ReadonlyArray<string>,
    work: (held: HeldLease) => Promise<E.Either<L, A>>,
  ) => {
    const request = { scope, holder: worker, waitMaxMs: 10_000 };
    const leased = withLease({ store, ...(hooks && { hooks }) }, request, work);
    return () => systemWork(operation, leased);
  };
  const scopeOf = (id: string): string => `product-${id}`;
  return {
    /** A thumbnail of the images as they are. `Outdated` where an editor chose others meanwhile. */
    makeThumbnail: (worker: string, id: string, render: Render) =>
      under('thumbnail', worker, [scopeOf(id), groupOf('ThumbnailMade')], ({ signal }) =>
        workOn(products, id, thumbnail(render, signal), { actor: worker, signal }),
      ),
    /** The words of the text as it is; `slowly` is what takes time about it. */
    index: (worker: string, id: string, slowly: () => Promise<void> = atOnce) =>
      under('search index', worker, [scopeOf(id), groupOf('Indexed')], ({ signal }) =>
        workOn(products, id, index(slowly), { actor: worker, signal }),
      ),
    /** A checksum of what editors wrote. It is quick, and decided on whatever is there: no lease. */
    seal: (worker: string, id: string) => () =>
      systemWork('checksum', () =>
        workOn(products, id, () => ({ type: 'Seal', data: {} }), { actor: worker }),
      ),
    /** Thumbnail and index of a product that no other worker touches meanwhile, side by side. Editors go on. */
    refresh: (worker: string, id: string, render: Render) =>
      under('refresh', worker, [scopeOf(id)], async ({ within }) => {
        const [made, indexed] = await Promise.all([
          within(groupOf('ThumbnailMade'), ({ signal }) =>
            workOn(products, id, thumbnail(render, signal), { actor: worker, signal }),
          )(),
          within(groupOf('Indexed'), ({ signal }) =>
            workOn(products, id, index(atOnce), { actor: worker, signal }),
          )(),
        ]);
        if (E.isLeft(made)) return made;
        return E.isLeft(indexed) ? indexed : E.right([made.right, indexed.right]);
      }),
  };
};

/** Opens the catalogue on a store. */
export const catalogue = (context: CatalogueContext) => {
  const { store } = context;
  const products = productsOf(context);
  return {
    /** To load, and for `history` and `operationLog`. */
    products,
    /** Saves what an editor changed on the copy that they were shown. */
    edit:
      (editor: string, shown: Copy, command: ProductCommand): TaskEither<Failure, CatalogueSave> =>
      () =>
        saveOn(products, shown, [command], { actor: editor }),
    ...workersOn(products, context),
    /**
     * Does what a record says, once. The job's key tells that it was done; the save's events have their ids from it too, so that
     * not even an import that died between its save and its mark does it twice.
     */
    importRecord: (erp: string, record: ErpRecord) => {
      const key = importKey(record);
      const imported = idempotentJob({ store, holder: erp })(
        { scope: 'import-record', dedupeKey: key },
        () => async (): Saving => {
          const copy = await products.load(record.productId)();
          if (E.isLeft(copy)) return copy;
          return saveOn(products, copy.right, commandsOf(record), { actor: erp, commandId: key });
        },
      );
      return () => systemWork('import', imported);
    },
  };
};

export type Catalogue = ReturnType<typeof catalogue>;
