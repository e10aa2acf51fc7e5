"""SHORT JOBS THAT RUN AND FINISH: one file a script, the siblings of `feeds/`, written in the words of `catalog/`."""
