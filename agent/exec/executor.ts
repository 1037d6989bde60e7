import type { NetworkTable } from '../../src/api/swarm/dispatcher.ts'
import type { Config, Node, NodeDescription, Secret, Task } from '../../src/api/swarm/objects.ts'
import type { Controller } from './controller.ts'

/** What runs tasks on this node. Real: engine-executor.ts. Twin: scripted-executor.ts. */
export interface Executor extends AsyncDisposable {
  /** What this node is and has; asked again now and then, since it changes. */
  describe(): Promise<NodeDescription>
  /** The node's object as the managers see it, for templates. */
  configure(node: Node): void
  createController(task: Task): Controller
  /** What the node's tasks need: new or changed. Network tables are programmed in the background; a task waits for its own. */
  provide(dependency: Dependency): void
  /** No task needs it any more. */
  withdraw(dependency: DependencyRef): void
  /** Everything provided and not withdrawn. */
  provided(): readonly DependencyRef[]
  /** networkId -> revision that the kernel has, to be acknowledged. */
  networkRevisions(): ReadonlyMap<string, number>
}

export type Dependency =
  | { readonly kind: 'secret'; readonly value: Secret }
  | { readonly kind: 'config'; readonly value: Config }
  | { readonly kind: 'network'; readonly value: NetworkTable }

export interface DependencyRef { readonly kind: Dependency['kind']; readonly id: string }

/** The id that a dependency is withdrawn by. */
export function refOf(dependency: Dependency): DependencyRef {
  return { kind: dependency.kind, id: dependency.kind === 'network' ? dependency.value.networkId : dependency.value.id }
}
