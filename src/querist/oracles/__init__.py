"""The expensive thing: functions, external commands, calculators, executors around one of these."""
