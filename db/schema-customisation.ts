/** What is run in guests before anybody gets them, as it is kept (docs/decisions/0008). */
import type { ColumnType, Generated } from 'kysely'

export interface ScriptValue {
  text: string
  timeoutSeconds: number
  /** After the first try. */
  retries: number
}

/** Of Windows Setup, at the first boot of a guest. */
export interface AnswersValue {
  /** The administrator's own file, with placeholders; null: it is written of the rest. */
  unattend: string | null
  /** As Windows calls it; null: that of the image. */
  timeZone: string | null
  language: string
  /** As Windows numbers it; null: that of the language. */
  keyboard: string | null
  /** An account that is made; null: Windows' own administrator. */
  administrator: string | null
  /** Of that account, and the key of Windows (auth/sealed.ts); null: none. */
  sealedPassword: string | null
  sealedProductKey: string | null
}

export interface SecretValue {
  /** The variable that scripts find it in. */
  name: string
  /** auth/sealed.ts */
  sealedValue: string
}

export interface CustomiseValue {
  /** Of what kind of system the guests are. */
  shell: 'sh' | 'powershell'
  hostName: boolean
  domain: {
    name: string
    user: string
    /** Where in the directory; null: where it puts new computers. */
    ou: string | null
    /** auth/sealed.ts */
    sealedPassword: string
  } | null
  before: ScriptValue | null
  after: ScriptValue | null
  /** Absent: none, so that what was kept before there were any is still what is wished. */
  answers?: AnswersValue
  /** They are the template's, and change with it; absent: the pool's own. */
  answersFrom?: 'template'
  secrets?: SecretValue[]
}

interface CustomisationTable {
  pool_id: string
  wish: ColumnType<CustomiseValue, string, string>
  each_life: boolean
  each_person: boolean
}

/** How the customisation of a desktop stands, without its output. */
export interface SetupObserved {
  key: string
  state: 'running' | 'done' | 'failed'
  /** Of the last that began; null: none did. */
  step: string | null
  attempt: number
}

/** Columns of `desktop`. */
export interface DesktopSetup {
  /** For what it is customised: a life, and whose it is (migration 0018); null: for nothing. Set by a trigger. */
  wished_setup: ColumnType<string | null, string | null | undefined, string | null>
  wished_setup_try: Generated<number>
  observed_setup: ColumnType<SetupObserved | null, never, never>
  /** What of that ended well; the desktops reconciler's. */
  setup_done: ColumnType<string | null, never, never>
}

interface SetupRunTable {
  desktop_id: string
  step_id: string
  attempt: number
  step: 'answers' | 'hostName' | 'domain' | 'before' | 'after' | 'trial'
  state: 'running' | 'done' | 'failed'
  exit_code: number | null
  text: string
  output: string
  started_at: Date
  ms: number
}

export interface CustomisationTables {
  customisation: CustomisationTable
  setup_run: SetupRunTable
}
