/** One step of something that takes a while. */
export interface Step {
  name: string
  state: 'done' | 'current' | 'waiting' | 'failed'
}
