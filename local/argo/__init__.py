"""ARGO WITHOUT A CLUSTER: plays our templates, ticks their crons, rings their doorbell, answers Argo's API."""
