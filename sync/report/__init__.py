"""What people read: tables of forecasts, velocity, findings and runs, on screen, as JSON or CSV."""
