"""What people read: tables of forecasts, findings and velocity."""
